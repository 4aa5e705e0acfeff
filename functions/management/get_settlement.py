"""GET /api/management/integration/settlement/{transaction_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.views import SettlementView
from gpubroker.management.wire import Id

router = Router()


@router.get(
    "/api/management/integration/settlement/<transaction_id>",
    tags=["management"],
    summary="A settlement, state by state",
)
def get_settlement(
    transaction_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(signed_in)]
) -> SettlementView:
    return composition.settlement_desk().look(caller, transaction_id)


handler = serve(router, errors=SUCCESS_FLAG)
