"""POST /api/v2/auth/service-accounts/{service_id}/secret"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.identity.use_cases import services
from gpubroker.identity.views import NewServiceAccountView
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v2/auth/service-accounts/<service_id>/secret",
    tags=["identity"],
    summary="A new secret, shown this once; ends the account's tokens unless told not to",
    status_code=201,
)
def rotate_service_secret(
    service_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
    revoke_tokens: Annotated[bool, Query()] = True,
) -> NewServiceAccountView:
    return services.rotate_secret(caller, service_id, revoke_tokens=revoke_tokens, idempotency=idempotency)


handler = serve(router, limited=False)
