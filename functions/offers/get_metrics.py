"""GET /metrics"""

from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge import market, metrics
from gpubroker.edge.http import Answer, serve
from gpubroker.offers import health

router = Router()

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", tags=["operations"], summary="Counters in Prometheus' text format")
def get_metrics() -> Answer:
    return Answer(metrics.render() + health.exposition(market.reader(), market.now()), content_type=PROMETHEUS)


handler = serve(router, limited=False)
