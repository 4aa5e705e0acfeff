"""PUT /api/v1/accounts/{account_id}/budget"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.desk.requests import BudgetSetting
from gpubroker.ledger.desk.views import AccountView

router = Router()


@router.put(
    "/api/v1/accounts/<account_id>/budget", tags=["accounts"], summary="Say what one's own account may cost a month"
)
def set_budget(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[BudgetSetting, Body()],
    caller: Annotated[Caller, Depends(scoped("accounts:write"))],
) -> AccountView:
    return composition.account_desk().set_budget(caller, account_id, wanted)


handler = serve(router)
