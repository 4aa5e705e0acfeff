"""GET /internal/v1/providers/stats"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import health

router = Router()


@router.get("/internal/v1/providers/stats", tags=["internal"], summary="Providers, offers and average prices")
def get_stats(caller: Annotated[Caller, Depends(scoped("internal:read"))]) -> Answer:
    return Answer(health.stats(market(), now()))


handler = serve(router)
