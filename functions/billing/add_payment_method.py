"""POST /api/v1/billing/payment-methods"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.billing.payments.requests import MethodRequest
from gpubroker.billing.payments.views import MethodView
from gpubroker.composition import payments as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve

router = Router()


@router.post(
    "/api/v1/billing/payment-methods",
    tags=["billing"],
    summary="Keep a card to pay with, by the processor's token; the same token twice is one payment method",
    status_code=201,
)
def add_payment_method(
    wanted: Annotated[MethodRequest, Body()], caller: Annotated[Caller, Depends(scoped("billing:write"))]
) -> Answer[MethodView]:
    view, fresh = composition.new_method_desk().add(caller, wanted)
    return Answer(view, 201 if fresh else 200)


handler = serve(router, limited=False)
