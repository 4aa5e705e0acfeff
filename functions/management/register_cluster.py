"""POST /api/management/integration/clusters"""

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
from gpubroker.management.inventory.desk import ClusterRequest
from gpubroker.management.views import Done

router = Router()


@router.post("/api/management/integration/clusters", tags=["management"], summary="Register a cluster, or change it")
def register_cluster(
    wanted: Annotated[ClusterRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    return composition.inventory_desk().register(wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
