"""POST /api/v2/auth/email/verify"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.http import serve
from gpubroker.identity.store.ring import known_keys
from gpubroker.identity.use_cases import registration
from gpubroker.identity.views import TokenRequest
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/email/verify", tags=["identity"], summary="Show that an address is one's own", status_code=204
)
def verify_email(given: Annotated[TokenRequest, Body()]) -> None:
    registration.verify_email(given.token, keys=known_keys(), now=utc_now())


handler = serve(router, limited=False)
