"""POST /api/v2/notifications/devices"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.requests import DeviceRequest
from gpubroker.delivery.notifications.views import DeviceView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve

router = Router()


@router.post(
    "/api/v2/notifications/devices", tags=["notifications"], summary="Get push messages at an address", status_code=201
)
def add_device(
    wanted: Annotated[DeviceRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> Answer[DeviceView]:
    device, fresh = composition.notification_desk().add_device(caller, wanted)
    return Answer(device, 201 if fresh else 200)


handler = serve(router)
