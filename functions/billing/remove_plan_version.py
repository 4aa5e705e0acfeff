"""DELETE /api/v1/billing/plans/{plan_id}/versions/{version}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.plans.plan import PLAN_PATTERN
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v1/billing/plans/<plan_id>/versions/<version>",
    tags=["billing"],
    summary="Take back a version that has not begun",
    status_code=204,
)
def remove_plan_version(
    plan_id: Annotated[str, Path(pattern=PLAN_PATTERN)],
    version: Annotated[int, Path(ge=1, le=1_000_000)],
    caller: Annotated[Caller, Depends(admin)],
    reason: Annotated[str | None, Query(max_length=500)] = None,
) -> None:
    composition.plan_desk().remove_version(caller, plan_id, version, reason)


handler = serve(router)
