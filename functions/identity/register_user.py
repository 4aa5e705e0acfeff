"""POST /api/v2/auth/register"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import viewer
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import registration
from gpubroker.identity.views import Accepted, Registration
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/register", tags=["identity"], summary="Make a free account", status_code=202)
def register_user(wanted: Annotated[Registration, Body()], address: Annotated[str, Depends(viewer)]) -> Accepted:
    return registration.register(wanted, address=address, now=utc_now())


handler = serve(router, limited=False)
