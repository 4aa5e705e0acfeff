"""POST /internal/v1/rentals/finalize"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.rentals.requests import FinalizeRequest
from gpubroker.rentals.views import InvoiceView

router = Router()


@router.post(
    "/internal/v1/rentals/finalize", tags=["internal"], summary="Confirm what a rental that is over costs; never more"
)
def finalize_rental(
    wanted: Annotated[FinalizeRequest, Body()], caller: Annotated[Caller, Depends(scoped("internal:rentals"))]
) -> InvoiceView:
    return composition.rental_desk().finalize(caller, wanted)


handler = serve(router)
