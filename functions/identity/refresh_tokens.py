"""POST /api/v2/auth/refresh"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.identity.signing import signing_keys
from gpubroker.identity.use_cases import sessions
from gpubroker.identity.views import RefreshRequest, TokensView
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/refresh", tags=["identity"], summary="The next pair of tokens; spends the refresh token")
def refresh_tokens(
    given: Annotated[RefreshRequest, Body()],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> TokensView:
    retry_key = idempotency.key if idempotency else None
    return sessions.refresh(given.refresh_token, retry_key=retry_key, keys=signing_keys(), now=utc_now())


handler = serve(router, limited=False)
