"""DELETE /api/v2/rentals/{rental_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.edge.underway import underway, wait_seconds
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.rentals.use_cases import location, stands_still
from gpubroker.rentals.views import RentalView

router = Router()


@router.delete(
    "/api/v2/rentals/<rental_id>", tags=["rentals"], summary="End a rental; charging stops now", status_code=202
)
def end_rental(
    rental_id: Annotated[str, Path()],
    caller: Annotated[Caller, Depends(scoped("rentals:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
    prefer: Annotated[str | None, Header()] = None,
) -> Answer[RentalView]:
    desk, seconds = composition.rental_desk(), wait_seconds(prefer)
    rental = desk.settled(caller, desk.end(caller, rental_id, idempotency), seconds)
    return underway(rental, location=location(rental), done=stands_still(rental), waited=seconds)


handler = serve(router)
