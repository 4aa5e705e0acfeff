"""GET /api/v2/rentals/{rental_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.rentals.views import RentalView

router = Router()


@router.get("/api/v2/rentals/<rental_id>", tags=["rentals"], summary="One rental, with how to connect to it")
def get_rental(
    rental_id: Annotated[str, Path()], caller: Annotated[Caller, Depends(scoped("rentals:read"))]
) -> RentalView:
    return composition.rental_desk().rental_of(caller, rental_id)


handler = serve(router)
