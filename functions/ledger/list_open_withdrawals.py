"""GET /api/v1/accounts/withdrawals"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import accounts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.views import WithdrawalPage

router = Router()
_QUERY = "open withdrawals, oldest first"


@router.get(
    "/api/v1/accounts/withdrawals",
    tags=["administration"],
    summary="Withdrawals that wait for a decision or their payment, the oldest first",
)
def list_open_withdrawals(
    caller: Annotated[Caller, Depends(admin)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> WithdrawalPage:
    position = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, onward = composition.withdrawal_desk().open_ones(limit, position)
    following = cursors.encode([onward], caller=caller, query=_QUERY) if onward else None
    return page.model_copy(update={"next_cursor": following})


handler = serve(router)
