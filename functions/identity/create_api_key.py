"""POST /api/v2/auth/api-keys"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.identity.use_cases import api_keys
from gpubroker.identity.views import NewApiKey, NewApiKeyView
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import utc_now

router = Router()


@router.post("/api/v2/auth/api-keys", tags=["identity"], summary="A new API key, shown this once", status_code=201)
def create_api_key(
    wanted: Annotated[NewApiKey, Body()],
    caller: Annotated[Caller, Depends(scoped("keys:manage"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> NewApiKeyView:
    return api_keys.create(caller, wanted, idempotency=idempotency, now=utc_now())


handler = serve(router, limited=False)
