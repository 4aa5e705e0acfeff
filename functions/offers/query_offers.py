"""POST /api/v2/providers/query"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import listing
from gpubroker.offers.requests import PageFields

router = Router()


@router.post("/api/v2/providers/query", tags=["offers"], summary="The market, with the filters in a body")
def query_offers(
    wanted: Annotated[PageFields, Body()], caller: Annotated[Caller, Depends(scoped("offers:read"))]
) -> Answer:
    return Answer(listing.page(market(), wanted, caller, cursors, now()))


handler = serve(router)
