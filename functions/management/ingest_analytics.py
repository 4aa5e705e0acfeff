"""POST /api/management/integration/analytics/ingest"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.analytics.desk import AnalyticsRequest
from gpubroker.management.views import Done

router = Router()


@router.post(
    "/api/management/integration/analytics/ingest", tags=["management"], summary="Keep and count an event of analytics"
)
def ingest_analytics(
    wanted: Annotated[AnalyticsRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    """Each accepted request counts once; with an Idempotency-Key a repeated one is not counted again."""
    return composition.analytics_desk().ingest(wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
