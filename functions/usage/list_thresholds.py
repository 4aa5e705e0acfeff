"""GET /api/v1/usage/thresholds"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import thresholds as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.usage.thresholds.views import ThresholdPage

router = Router()


@router.get("/api/v1/usage/thresholds", tags=["usage"], summary="Thresholds, the newest first")
def list_thresholds(
    caller: Annotated[Caller, Depends(admin)],
    user_id: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> ThresholdPage:
    query = f"thresholds, newest first, of {user_id or 'all'}"
    before = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, position = composition.threshold_desk().page(limit, user_id, before)
    onward = cursors.encode([position], caller=caller, query=query) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
