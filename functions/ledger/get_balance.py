"""GET /api/v1/accounts/{account_id}/balance"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.desk.views import BalanceView

router = Router()


@router.get(
    "/api/v1/accounts/<account_id>/balance", tags=["accounts"], summary="What an account has: posted, held, available"
)
def get_balance(
    account_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:read"))],
) -> BalanceView:
    return composition.account_desk().balance_of(caller, account_id)


handler = serve(router)
