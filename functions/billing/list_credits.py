"""GET /api/v1/billing/accounts/{account_id}/credits"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.credits.views import CreditPage
from gpubroker.composition import pricing as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()
_QUERY = "credits, newest first"


@router.get(
    "/api/v1/billing/accounts/<account_id>/credits",
    tags=["billing"],
    summary="The credits of an account, the newest first",
)
def list_credits(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> CreditPage:
    start = cursors.decode(cursor, caller=caller, query=f"{_QUERY} {account_id}")[0] if cursor else None
    page, position = composition.credit_desk().page_of(caller, account_id, limit, start)
    onward = cursors.encode([position], caller=caller, query=f"{_QUERY} {account_id}") if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
