"""GET /health"""

from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge import market
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.redis_client import answers, redis_client
from gpubroker.offers import health

router = Router()


@router.get("/health", tags=["operations"], summary="Whether the market is served, and by which providers")
def get_health() -> Answer:
    status, body = health.gateway(market.reader(), lambda: answers(redis_client()), market.now())
    return Answer(body, status)


handler = serve(router, limited=False)
