"""POST /api/v2/webhooks/{webhook_id}/secret/rotate"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.views import RotatedView
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v2/webhooks/<webhook_id>/secret/rotate",
    tags=["webhooks"],
    summary="A new signing secret; the old one signs beside it for 24 hours",
)
def rotate_webhook_secret(
    webhook_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> RotatedView:
    return composition.webhook_secret_desk().rotate(caller, webhook_id, idempotency)


handler = serve(router, limited=False)
