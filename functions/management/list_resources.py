"""GET /api/management/integration/resources"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import management as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.inventory.desk import ResourcesPage

router = Router()


@router.get(
    "/api/management/integration/resources", tags=["management"], summary="What each cluster has, as it last told"
)
def list_resources(
    caller: Annotated[Caller, Depends(staff("management:read"))],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> ResourcesPage:
    query = "resources"
    position = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, onward = composition.inventory_desk().resources(limit, position)
    told = cursors.encode([onward], caller=caller, query=query) if onward else None
    return page.model_copy(update={"next_cursor": told})


handler = serve(router, errors=SUCCESS_FLAG)
