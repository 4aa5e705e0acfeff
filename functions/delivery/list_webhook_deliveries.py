"""GET /api/v2/webhooks/{webhook_id}/deliveries"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.views import DeliveryPage
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()
_QUERY = "deliveries of a webhook, newest first: "


@router.get(
    "/api/v2/webhooks/<webhook_id>/deliveries",
    tags=["webhooks"],
    summary="What was sent to a webhook, the newest first",
)
def list_webhook_deliveries(
    webhook_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> DeliveryPage:
    query = _QUERY + webhook_id
    before = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, position = composition.webhook_desk().deliveries(caller, webhook_id, limit, before)
    onward = cursors.encode([position], caller=caller, query=query) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
