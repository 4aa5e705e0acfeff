"""POST /api/management/integration/resources/sync"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.inventory.desk import ResourceSyncRequest
from gpubroker.management.views import Done

router = Router()


@router.post(
    "/api/management/integration/resources/sync",
    tags=["management"],
    summary="What a cluster has; replaces what was told before",
)
def sync_resources(
    wanted: Annotated[ResourceSyncRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    return composition.inventory_desk().sync(wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
