"""GET /api/v1/billing/plans/{plan_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.plans.plan import PLAN_PATTERN
from gpubroker.billing.plans.views import PlanHistoryView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/plans/<plan_id>", tags=["billing"], summary="A price plan with all its versions")
def get_plan(
    plan_id: Annotated[str, Path(pattern=PLAN_PATTERN)], caller: Annotated[Caller, Depends(signed_in)]
) -> PlanHistoryView:
    return composition.plan_desk().history(plan_id)


handler = serve(router)
