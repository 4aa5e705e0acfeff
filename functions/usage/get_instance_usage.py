"""GET /api/v1/usage/instances/{instance_id}/current"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import usage as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.usage.views import CurrentInstanceView

router = Router()


@router.get("/api/v1/usage/instances/<instance_id>/current", tags=["usage"], summary="What an instance uses now")
def get_instance_usage(
    instance_id: Annotated[str, Path()],
    caller: Annotated[Caller, Depends(scoped("usage:read"))],
) -> CurrentInstanceView:
    return composition.usage_current().of_instance(caller, instance_id)


handler = serve(router)
