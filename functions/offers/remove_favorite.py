"""DELETE /api/v2/users/favorites/{offer_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.offers import favorites
from gpubroker.offers.requests import OfferId

router = Router()


@router.delete("/api/v2/users/favorites/<offer_id>", tags=["favorites"], summary="Forget an offer", status_code=204)
def remove_favorite(
    offer_id: Annotated[OfferId, Path()], caller: Annotated[Caller, Depends(scoped("favorites:write"))]
) -> None:
    favorites.remove(caller.tenant, offer_id)


handler = serve(router)
