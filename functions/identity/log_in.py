"""POST /api/v2/auth/login"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import viewer
from gpubroker.edge.http import serve
from gpubroker.identity.signing import signing_keys
from gpubroker.identity.use_cases import sessions
from gpubroker.identity.views import Credentials, TokensView
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/login", tags=["identity"], summary="An access and a refresh token for e-mail and password")
def log_in(given: Annotated[Credentials, Body()], address: Annotated[str, Depends(viewer)]) -> TokensView:
    return sessions.log_in(given, address=address, keys=signing_keys(), now=utc_now())


handler = serve(router, limited=False)
