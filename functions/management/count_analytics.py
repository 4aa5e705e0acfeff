"""GET /api/management/integration/analytics/counts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.analytics.desk import CountsQuery, CountsView

router = Router()


@router.get(
    "/api/management/integration/analytics/counts",
    tags=["management"],
    summary="How many events of a type came when",
)
def count_analytics(
    wanted: Annotated[CountsQuery, Query()], caller: Annotated[Caller, Depends(staff("management:read"))]
) -> CountsView:
    return composition.analytics_desk().counts(wanted)


handler = serve(router, errors=SUCCESS_FLAG)
