"""DELETE /api/v2/auth/service-accounts/{service_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import services
from gpubroker.kernel.time import utc_now

router = Router()


@router.delete(
    "/api/v2/auth/service-accounts/<service_id>",
    tags=["identity"],
    summary="Revoke an account with its secret and tokens",
    status_code=204,
)
def delete_service_account(
    service_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(admin)]
) -> None:
    services.revoke(caller, service_id, now=utc_now())


handler = serve(router, limited=False)
