"""GET /api/v1/billing/payment-methods"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.billing.payments.views import MethodList
from gpubroker.composition import payments as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/payment-methods", tags=["billing"], summary="What an account pays with, ten at most")
def list_payment_methods(
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    account_id: Annotated[str | None, Query(max_length=80)] = None,
) -> MethodList:
    return composition.method_desk().list(caller, account_id)


handler = serve(router)
