"""GET /api/v2/notifications/devices"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.views import DeviceList
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v2/notifications/devices", tags=["notifications"], summary="Where one gets push messages")
def list_devices(
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> DeviceList:
    return composition.notification_desk().devices_of(caller)


handler = serve(router)
