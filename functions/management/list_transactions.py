"""GET /api/management/integration/transactions"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import management as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.views import TransactionPage
from gpubroker.management.wire import Id

router = Router()


@router.get(
    "/api/management/integration/transactions",
    tags=["management"],
    summary="Transactions of a user, the newest first",
)
def list_transactions(
    user_id: Annotated[Id, Query(alias="userId")],
    caller: Annotated[Caller, Depends(staff("management:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> TransactionPage:
    query = f"transactions of {user_id}"
    position = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, onward = composition.trade_desk().transactions_of(user_id, limit, position)
    told = cursors.encode([onward], caller=caller, query=query) if onward else None
    return page.model_copy(update={"next_cursor": told})


handler = serve(router, errors=SUCCESS_FLAG)
