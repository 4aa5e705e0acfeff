"""GET /api/v2/webhooks"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.views import WebhookPage
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v2/webhooks", tags=["webhooks"], summary="One's webhooks, the newest first")
def list_webhooks(
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:read"))],
) -> WebhookPage:
    return composition.webhook_desk().page(caller)


handler = serve(router)
