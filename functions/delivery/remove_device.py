"""DELETE /api/v2/notifications/devices/{device_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import notifications as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v2/notifications/devices/<device_id>",
    tags=["notifications"],
    summary="No more push messages there",
    status_code=204,
)
def remove_device(
    device_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> None:
    composition.notification_desk().remove_device(caller, device_id)


handler = serve(router)
