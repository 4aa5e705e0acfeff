"""DELETE /api/management/integration/clusters/{cluster_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.views import Done
from gpubroker.management.wire import Id

router = Router()


@router.delete(
    "/api/management/integration/clusters/<cluster_id>", tags=["management"], summary="Take a cluster off the list"
)
def remove_cluster(
    cluster_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(staff("management:write"))]
) -> Done:
    return composition.inventory_desk().remove(cluster_id)


handler = serve(router, errors=SUCCESS_FLAG)
