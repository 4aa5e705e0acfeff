"""GET /api/v2/webhooks/{webhook_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.views import WebhookView
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v2/webhooks/<webhook_id>", tags=["webhooks"], summary="One webhook")
def get_webhook(
    webhook_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:read"))],
) -> WebhookView:
    return composition.webhook_desk().one(caller, webhook_id)


handler = serve(router)
