"""POST /api/v2/notifications/{notification_id}/read"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.views import NotificationView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.post("/api/v2/notifications/<notification_id>/read", tags=["notifications"], summary="Mark one as read")
def read_notification(
    notification_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> NotificationView:
    return composition.notification_desk().read(caller, notification_id)


handler = serve(router)
