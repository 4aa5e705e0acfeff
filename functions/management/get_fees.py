"""GET /api/management/integration/fees/config"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.views import FeesView

router = Router()


@router.get("/api/management/integration/fees/config", tags=["management"], summary="The fees in force")
def get_fees(caller: Annotated[Caller, Depends(staff("management:read"))]) -> FeesView:
    return composition.fee_desk().in_force()


handler = serve(router, errors=SUCCESS_FLAG)
