"""POST /api/v2/auth/service-accounts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.identity.use_cases import services
from gpubroker.identity.views import NewServiceAccount, NewServiceAccountView
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/service-accounts",
    tags=["identity"],
    summary="An account for a service or an agent; its secret is shown this once",
    status_code=201,
)
def create_service_account(
    wanted: Annotated[NewServiceAccount, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> NewServiceAccountView:
    return services.create(caller, wanted, idempotency=idempotency, now=utc_now())


handler = serve(router, limited=False)
