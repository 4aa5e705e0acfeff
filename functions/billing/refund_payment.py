"""POST /api/v1/billing/payments/{payment_id}/refund"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.payments.requests import RefundRequest
from gpubroker.billing.payments.views import PaymentView
from gpubroker.composition import payments as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/payments/<payment_id>/refund",
    tags=["billing"],
    summary="Give all of a deposit back to the card, as long as the account has it",
    status_code=202,
)
def refund_payment(
    payment_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[RefundRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> Answer[PaymentView]:
    return Answer(composition.refund_desk().refund(caller, payment_id, wanted, idempotency), 202)


handler = serve(router)
