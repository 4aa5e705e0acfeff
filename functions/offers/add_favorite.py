"""POST /api/v2/users/favorites"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.edge.market import market, now
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.offers import saved
from gpubroker.offers.requests import FavoriteRequest

router = Router()


@router.post("/api/v2/users/favorites", tags=["favorites"], summary="Keep an offer", status_code=201)
def add_favorite(
    wanted: Annotated[FavoriteRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("favorites:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer:
    view, fresh = saved.add(market(), caller, wanted.offer_id, idempotency, now())
    return Answer(view, 201 if fresh else 200)


handler = serve(router)
