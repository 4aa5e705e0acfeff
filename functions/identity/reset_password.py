"""POST /api/v2/auth/password/reset"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.http import serve
from gpubroker.identity.store.ring import known_keys
from gpubroker.identity.use_cases import recovery
from gpubroker.identity.views import PasswordReset
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/password/reset",
    tags=["identity"],
    summary="Set a new password with the token of a reset mail; ends all sessions",
    status_code=204,
)
def reset_password(given: Annotated[PasswordReset, Body()]) -> None:
    recovery.reset_password(given, keys=known_keys(), now=utc_now())


handler = serve(router, limited=False)
