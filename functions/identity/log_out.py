"""POST /api/v2/auth/logout"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve
from gpubroker.identity.store.ring import known_keys
from gpubroker.identity.use_cases import sessions
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/logout", tags=["identity"], summary="End this session, or all of them", status_code=204)
def log_out(
    caller: Annotated[Caller, Depends(signed_in)],
    authorization: Annotated[str, Header()] = "",
    everywhere: Annotated[bool, Query()] = False,
) -> None:
    token = authorization.partition(" ")[2].strip()
    sessions.log_out(token, everywhere=everywhere, keys=known_keys(), now=utc_now())


handler = serve(router, limited=False)
