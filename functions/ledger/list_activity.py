"""GET /api/v1/accounts/{account_id}/activity"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from gpubroker.composition import accounts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.desk.span import Span
from gpubroker.ledger.desk.views import ActivityPage

router = Router()


@router.get("/api/v1/accounts/<account_id>/activity", tags=["accounts"], summary="What happened, the newest first")
def list_activity(
    account_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:read"))],
    kind: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> ActivityPage:
    query = f"activity of {account_id}: {kind} {since} {until}"
    position = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    span = Span(kind, since, until, position)
    page, onward = composition.account_desk().activity_of(caller, account_id, span, limit)
    following = cursors.encode([onward], caller=caller, query=query) if onward else None
    return page.model_copy(update={"next_cursor": following})


handler = serve(router)
