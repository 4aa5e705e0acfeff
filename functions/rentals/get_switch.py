"""GET /api/v2/admin/rentals/switch"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.rentals.views import SwitchView

router = Router()


@router.get("/api/v2/admin/rentals/switch", tags=["administration"], summary="Whether new rentals are stopped, and why")
def get_switch(caller: Annotated[Caller, Depends(admin)]) -> SwitchView:
    return composition.rental_desk().switch()


handler = serve(router)
