"""DELETE /api/v2/webhooks/{webhook_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import webhooks as composition
from gpubroker.edge.caller import Caller, Plan, scoped_on
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v2/webhooks/<webhook_id>",
    tags=["webhooks"],
    summary="Delete a webhook; what is not delivered yet is not delivered any more",
    status_code=204,
)
def delete_webhook(
    webhook_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped_on(Plan.ENTERPRISE, "webhooks:write"))],
) -> None:
    composition.webhook_desk().delete(caller, webhook_id)


handler = serve(router)
