"""POST /api/v2/webhooks/{webhook_id}/replay"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.requests import ReplayRequest
from gpubroker.delivery.webhooks.views import ReplayView
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v2/webhooks/<webhook_id>/replay",
    tags=["webhooks"],
    summary="Send everything since a moment again, each under the id it had",
    status_code=202,
)
def replay_webhook(
    webhook_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[ReplayRequest, Body()],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[ReplayView]:
    view = composition.webhook_desk().replay_since(caller, webhook_id, wanted, idempotency)
    return Answer(view, headers={"location": f"/api/v2/webhooks/{webhook_id}/deliveries"})


handler = serve(router)
