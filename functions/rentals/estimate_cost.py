"""POST /internal/v1/rentals/cost-estimate"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.rentals.requests import EstimateRequest
from gpubroker.rentals.views import EstimateView

router = Router()


@router.post("/internal/v1/rentals/cost-estimate", tags=["internal"], summary="What a rental would cost now")
def estimate_cost(
    wanted: Annotated[EstimateRequest, Body()], caller: Annotated[Caller, Depends(scoped("internal:rentals"))]
) -> EstimateView:
    return composition.rental_desk().estimate(wanted)


handler = serve(router)
