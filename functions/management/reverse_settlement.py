"""POST /api/management/integration/settlement/{transaction_id}/reverse"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.settlement.requests import ReversalRequest
from gpubroker.management.settlement.views import SettlementView
from gpubroker.management.wire import Id

router = Router()


@router.post(
    "/api/management/integration/settlement/<transaction_id>/reverse",
    tags=["management"],
    summary="Give a settled transaction back, in part or whole; undo one that is under way",
)
def reverse_settlement(
    transaction_id: Annotated[Id, Path()],
    wanted: Annotated[ReversalRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> SettlementView:
    return composition.settlement_desk().reverse(caller, transaction_id, wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
