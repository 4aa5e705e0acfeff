"""GET /health"""

from functools import partial

from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import now, reader
from gpubroker.edge.redis_client import answers, redis_client
from gpubroker.offers import health

router = Router()


@router.get("/health", tags=["operations"], summary="Whether the market is served, and by which providers")
def get_health() -> Answer:
    status, body = health.gateway(reader(), lambda: answers(partial(redis_client)()), now())
    return Answer(body, status)


handler = serve(router, limited=False)
