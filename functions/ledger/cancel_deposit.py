"""POST /api/v1/accounts/{account_id}/deposits/{deposit_id}/cancel"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.views import DepositView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/deposits/<deposit_id>/cancel",
    tags=["accounts"],
    summary="Take a deposit back before its payment has begun",
)
def cancel_deposit(
    account_id: Annotated[str, Path(max_length=200)],
    deposit_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:write"))],
) -> DepositView:
    return composition.deposit_desk().cancel(caller, account_id, deposit_id)


handler = serve(router)
