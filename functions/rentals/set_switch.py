"""PUT /api/v2/admin/rentals/switch"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.rentals.requests import SwitchRequest
from gpubroker.rentals.views import SwitchView

router = Router()


@router.put(
    "/api/v2/admin/rentals/switch", tags=["administration"], summary="Stop all new rentals, or let them come again"
)
def set_switch(wanted: Annotated[SwitchRequest, Body()], caller: Annotated[Caller, Depends(admin)]) -> SwitchView:
    return composition.rental_desk().set_switch(caller, wanted)


handler = serve(router)
