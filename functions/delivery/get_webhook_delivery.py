"""GET /api/v2/webhooks/{webhook_id}/deliveries/{delivery_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.views import DeliveryWithRequest
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()


@router.get(
    "/api/v2/webhooks/<webhook_id>/deliveries/<delivery_id>",
    tags=["webhooks"],
    summary="One delivery: request, answers, timing",
)
def get_webhook_delivery(
    webhook_id: Annotated[str, Path(max_length=64)],
    delivery_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:read"))],
) -> DeliveryWithRequest:
    return composition.webhook_desk().delivery(caller, webhook_id, delivery_id)


handler = serve(router)
