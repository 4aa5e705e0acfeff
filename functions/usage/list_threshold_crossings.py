"""GET /api/v1/usage/thresholds/{threshold_id}/crossings"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import thresholds as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.usage.thresholds.views import CrossingPage

router = Router()


@router.get(
    "/api/v1/usage/thresholds/<threshold_id>/crossings",
    tags=["usage"],
    summary="How often it was crossed, and by whom, the newest first",
)
def list_threshold_crossings(
    threshold_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(admin)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> CrossingPage:
    query = f"crossings of {threshold_id}"
    before = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, position = composition.threshold_desk().crossings(threshold_id, limit, before)
    onward = cursors.encode([position], caller=caller, query=query) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
