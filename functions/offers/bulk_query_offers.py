"""POST /api/v2/providers/bulk/query"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import listing
from gpubroker.offers.requests import BulkQuery

router = Router()


@router.post("/api/v2/providers/bulk/query", tags=["offers"], summary="Several queries of one snapshot at once")
def bulk_query_offers(
    wanted: Annotated[BulkQuery, Body()], caller: Annotated[Caller, Depends(scoped("offers:read"))]
) -> Answer:
    return Answer(listing.bulk(market(), wanted, caller, cursors, now()))


handler = serve(router)
