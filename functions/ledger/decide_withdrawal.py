"""POST /api/v1/accounts/{account_id}/withdrawals/{withdrawal_id}/decision"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.requests import DecisionRequest
from gpubroker.ledger.funding.views import WithdrawalView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/withdrawals/<withdrawal_id>/decision",
    tags=["administration"],
    summary="Approve, pay or reject a withdrawal",
)
def decide_withdrawal(
    account_id: Annotated[str, Path(max_length=200)],
    withdrawal_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[DecisionRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
) -> WithdrawalView:
    return composition.withdrawal_desk().decide(caller, account_id, withdrawal_id, wanted)


handler = serve(router)
