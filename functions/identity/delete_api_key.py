"""DELETE /api/v2/auth/api-keys/{key_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import api_keys
from gpubroker.kernel.time import utc_now

router = Router()


@router.delete("/api/v2/auth/api-keys/<key_id>", tags=["identity"], summary="Revoke an API key", status_code=204)
def delete_api_key(
    key_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("keys:manage"))]
) -> None:
    api_keys.revoke(caller, key_id, now=utc_now())


handler = serve(router, limited=False)
