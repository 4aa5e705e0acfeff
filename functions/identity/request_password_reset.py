"""POST /api/v2/auth/password/forgot"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import viewer
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import recovery
from gpubroker.identity.views import Accepted, EmailRequest
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/password/forgot", tags=["identity"], summary="Ask for a reset mail", status_code=202)
def request_password_reset(
    given: Annotated[EmailRequest, Body()], address: Annotated[str, Depends(viewer)]
) -> Accepted:
    return recovery.forgot_password(given.email, address=address, now=utc_now())


handler = serve(router, limited=False)
