"""POST /api/v2/providers/decide"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import decisions
from gpubroker.offers.requests import Decision

router = Router()


@router.post("/api/v2/providers/decide", tags=["offers"], summary="Which of these offers is best, and why")
def decide_offers(
    wanted: Annotated[Decision, Body()], caller: Annotated[Caller, Depends(scoped("offers:read"))]
) -> Answer:
    return Answer(decisions.decide(market(), wanted, now()))


handler = serve(router)
