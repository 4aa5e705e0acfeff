"""GET /api/v2/rentals"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import rentals as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.rentals.views import RentalPage

router = Router()
_QUERY = "rentals, newest first"


@router.get("/api/v2/rentals", tags=["rentals"], summary="One's rentals, the newest first")
def list_rentals(
    caller: Annotated[Caller, Depends(scoped("rentals:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> RentalPage:
    before = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.rental_desk().page_of(caller, limit, before)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
