"""GET /api/v2/providers"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, anyone
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import listing
from gpubroker.offers.requests import PageFields

router = Router()


@router.get("/api/v2/providers", tags=["offers"], summary="The market: GPU offers with filters, an order and pages")
def list_offers(wanted: Annotated[PageFields, Query()], caller: Annotated[Caller, Depends(anyone)]) -> Answer:
    body = listing.page(market(), wanted, caller, cursors, now())
    return Answer(body, headers=listing.caching(caller))


handler = serve(router)
