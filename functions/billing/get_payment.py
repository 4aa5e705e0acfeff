"""GET /api/v1/billing/payments/{payment_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.payments.views import PaymentView
from gpubroker.composition import payments as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/payments/<payment_id>", tags=["billing"], summary="One payment and its state")
def get_payment(
    payment_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("billing:read"))]
) -> PaymentView:
    return composition.payment_desk().of(caller, payment_id)


handler = serve(router)
