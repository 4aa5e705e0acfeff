"""GET /api/v2/notifications"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.views import NotificationPage
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()
_QUERY = "notifications, newest first"


@router.get("/api/v2/notifications", tags=["notifications"], summary="One's inbox, the newest first")
def list_notifications(
    caller: Annotated[Caller, Depends(scoped("notifications:manage"))],
    limit: Annotated[int, Query(ge=1, le=99)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> NotificationPage:
    before = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.notification_desk().page_of(caller, limit, before)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
