"""GET /api/v2/alerts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import alerts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.prices.alerts.views import AlertPage

router = Router()
_QUERY = "alerts, newest first"


@router.get("/api/v2/alerts", tags=["alerts"], summary="One's alerts, the newest first")
def list_alerts(
    caller: Annotated[Caller, Depends(scoped("alerts:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> AlertPage:
    before = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.alert_desk().page_of(caller, limit, before)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
