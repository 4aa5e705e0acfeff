"""PUT /api/v2/notifications/preferences"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.requests import PreferencesRequest
from gpubroker.delivery.notifications.views import PreferencesView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.put("/api/v2/notifications/preferences", tags=["notifications"], summary="Say which kinds go by which channels")
def set_preferences(
    wanted: Annotated[PreferencesRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> PreferencesView:
    return composition.notification_desk().prefer(caller, wanted)


handler = serve(router)
