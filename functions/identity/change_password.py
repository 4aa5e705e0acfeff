"""POST /api/v2/auth/password/change"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Header

from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve
from gpubroker.identity.store.ring import known_keys
from gpubroker.identity.use_cases import sessions
from gpubroker.identity.views import PasswordChange
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/password/change",
    tags=["identity"],
    summary="A new password for who knows the old one; ends all other sessions",
    status_code=204,
)
def change_password(
    given: Annotated[PasswordChange, Body()],
    caller: Annotated[Caller, Depends(signed_in)],
    authorization: Annotated[str, Header()] = "",
) -> None:
    token = authorization.partition(" ")[2].strip()
    sessions.change_password(token, given.current_password, given.new_password, keys=known_keys(), now=utc_now())


handler = serve(router, limited=False)
