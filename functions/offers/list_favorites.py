"""GET /api/v2/users/favorites"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.market import market, now
from gpubroker.offers import saved
from gpubroker.offers.requests import FavoritesPage

router = Router()


@router.get("/api/v2/users/favorites", tags=["favorites"], summary="One's favourite offers, as they stand now")
def list_favorites(
    wanted: Annotated[FavoritesPage, Query()], caller: Annotated[Caller, Depends(scoped("favorites:write"))]
) -> Answer:
    return Answer(saved.listed(market(), caller, wanted, cursors, now()))


handler = serve(router)
