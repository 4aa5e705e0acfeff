"""POST /api/v2/notifications/read-all"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.views import ReadAllView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.post("/api/v2/notifications/read-all", tags=["notifications"], summary="Mark all as read")
def read_all_notifications(
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> ReadAllView:
    return composition.notification_desk().read_all(caller)


handler = serve(router)
