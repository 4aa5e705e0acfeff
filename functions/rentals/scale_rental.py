"""POST /api/v2/rentals/{rental_id}/scale"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.edge.underway import underway, wait_seconds
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.rentals.requests import ScaleRequest
from gpubroker.rentals.use_cases import location, stands_still
from gpubroker.rentals.views import RentalView

router = Router()


@router.post("/api/v2/rentals/<rental_id>/scale", tags=["rentals"], summary="Add or remove instances", status_code=202)
def scale_rental(
    rental_id: Annotated[str, Path()],
    wanted: Annotated[ScaleRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("rentals:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
    prefer: Annotated[str | None, Header()] = None,
) -> Answer[RentalView]:
    desk, seconds = composition.rental_desk(), wait_seconds(prefer)
    rental = desk.settled(caller, desk.scale(caller, rental_id, wanted, idempotency), seconds)
    return underway(rental, location=location(rental), done=stands_still(rental), waited=seconds)


handler = serve(router)
