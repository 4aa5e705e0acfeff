"""POST /api/management/integration/settlement/execute"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.requests import SettlementInstruction
from gpubroker.management.settlement.views import Instructed

router = Router()


@router.post(
    "/api/management/integration/settlement/execute",
    tags=["management"],
    summary="Settle a completed transaction",
)
def execute_settlement(
    wanted: Annotated[SettlementInstruction, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
) -> Instructed:
    return composition.settlement_desk().execute(caller, wanted.transaction_id)


handler = serve(router, errors=SUCCESS_FLAG)
