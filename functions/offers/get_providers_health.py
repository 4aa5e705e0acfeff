"""GET /api/v2/providers/health"""

from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import health

router = Router()


@router.get("/api/v2/providers/health", tags=["offers"], summary="How each provider is, and how old its offers are")
def get_providers_health() -> Answer:
    return Answer(health.providers_health(market(), now()))


handler = serve(router, limited=False)
