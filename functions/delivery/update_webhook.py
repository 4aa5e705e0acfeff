"""PATCH /api/v2/webhooks/{webhook_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.requests import WebhookChange
from gpubroker.delivery.webhooks.views import WebhookView
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()


@router.patch("/api/v2/webhooks/<webhook_id>", tags=["webhooks"], summary="Change, pause or resume a webhook")
def update_webhook(
    webhook_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[WebhookChange, Body()],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:write"))],
) -> WebhookView:
    return composition.webhook_secret_desk().change(caller, webhook_id, wanted)


handler = serve(router, limited=False)
