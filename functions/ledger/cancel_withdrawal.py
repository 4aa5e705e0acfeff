"""POST /api/v1/accounts/{account_id}/withdrawals/{withdrawal_id}/cancel"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.views import WithdrawalView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/withdrawals/<withdrawal_id>/cancel",
    tags=["accounts"],
    summary="Take a withdrawal back before it is decided",
)
def cancel_withdrawal(
    account_id: Annotated[str, Path(max_length=200)],
    withdrawal_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:write"))],
) -> WithdrawalView:
    return composition.withdrawal_desk().cancel(caller, account_id, withdrawal_id)


handler = serve(router)
