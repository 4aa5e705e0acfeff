"""GET /api/v2/notifications/preferences"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.views import PreferencesView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v2/notifications/preferences", tags=["notifications"], summary="Which kinds go by which channels")
def get_preferences(
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
) -> PreferencesView:
    return composition.notification_desk().preferences_of(caller)


handler = serve(router)
