"""GET /api/v2/providers/{offer_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, anyone
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import listing
from gpubroker.offers.requests import OfferId

router = Router()


@router.get("/api/v2/providers/<offer_id>", tags=["offers"], summary="One offer: specs, price, availability, tags")
def get_offer(offer_id: Annotated[OfferId, Path()], caller: Annotated[Caller, Depends(anyone)]) -> Answer:
    return Answer(listing.one(market(), offer_id, now()), headers=listing.caching(caller))


handler = serve(router)
