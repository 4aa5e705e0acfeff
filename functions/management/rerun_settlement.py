"""POST /api/management/integration/settlement/{transaction_id}/rerun"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.views import SettlementView
from gpubroker.management.wire import Id

router = Router()


@router.post(
    "/api/management/integration/settlement/<transaction_id>/rerun",
    tags=["management"],
    summary="Start again what stands still: a settlement, or the payout of a settled one",
)
def rerun_settlement(
    transaction_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(admin)]
) -> SettlementView:
    return composition.settlement_desk().rerun(caller, transaction_id)


handler = serve(router, errors=SUCCESS_FLAG)
