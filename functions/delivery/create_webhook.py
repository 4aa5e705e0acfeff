"""POST /api/v2/webhooks"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.requests import WebhookRequest
from gpubroker.delivery.webhooks.views import NewWebhookView
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v2/webhooks", tags=["webhooks"], summary="A new webhook; its secret is shown this once", status_code=201
)
def create_webhook(
    wanted: Annotated[WebhookRequest, Body()],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> NewWebhookView:
    return composition.webhook_secret_desk().create(caller, wanted, idempotency)


handler = serve(router, limited=False)
