"""POST /api/v2/auth/email/resend"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import viewer
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import registration
from gpubroker.identity.views import Accepted, EmailRequest
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/email/resend", tags=["identity"], summary="Ask for the verification mail again", status_code=202
)
def resend_verification(given: Annotated[EmailRequest, Body()], address: Annotated[str, Depends(viewer)]) -> Accepted:
    return registration.resend_verification(given.email, address=address, now=utc_now())


handler = serve(router, limited=False)
