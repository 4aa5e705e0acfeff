"""POST /api/management/integration/payouts/{payout_id}/result"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.requests import PayoutResult
from gpubroker.management.settlement.views import PayoutView
from gpubroker.management.wire import Id

router = Router()


@router.post(
    "/api/management/integration/payouts/<payout_id>/result",
    tags=["management"],
    summary="What the bank says of a payout: paid, or sent back",
)
def tell_payout_result(
    payout_id: Annotated[Id, Path()],
    told: Annotated[PayoutResult, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
) -> PayoutView:
    return composition.payout_desk().result(payout_id, told)


handler = serve(router, errors=SUCCESS_FLAG)
