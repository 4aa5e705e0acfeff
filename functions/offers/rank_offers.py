"""GET /api/v2/providers/ranking"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import decisions
from gpubroker.offers.requests import RankingFields

router = Router()


@router.get("/api/v2/providers/ranking", tags=["offers"], summary="The best offers of the market, and why")
def rank_offers(
    wanted: Annotated[RankingFields, Query()], caller: Annotated[Caller, Depends(scoped("offers:read"))]
) -> Answer:
    return Answer(decisions.ranked(market(), wanted, caller, now()))


handler = serve(router)
