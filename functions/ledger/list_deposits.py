"""GET /api/v1/accounts/{account_id}/deposits"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import accounts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.views import DepositPage

router = Router()


@router.get(
    "/api/v1/accounts/<account_id>/deposits", tags=["accounts"], summary="Deposits of an account, the newest first"
)
def list_deposits(
    account_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> DepositPage:
    query = f"deposits of {account_id}"
    position = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, onward = composition.deposit_desk().page_of(caller, account_id, limit, position)
    following = cursors.encode([onward], caller=caller, query=query) if onward else None
    return page.model_copy(update={"next_cursor": following})


handler = serve(router)
