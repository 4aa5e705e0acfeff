"""POST /api/v1/billing/plans/{plan_id}/estimate"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.plans.plan import PLAN_PATTERN
from gpubroker.billing.plans.requests import EstimateRequest
from gpubroker.billing.plans.views import EstimateView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve

router = Router()


@router.post(
    "/api/v1/billing/plans/<plan_id>/estimate",
    tags=["billing"],
    summary="What usage would cost on a price plan, line by line",
)
def estimate_plan(
    plan_id: Annotated[str, Path(pattern=PLAN_PATTERN)],
    wanted: Annotated[EstimateRequest, Body()],
    caller: Annotated[Caller, Depends(signed_in)],
) -> EstimateView:
    return composition.plan_desk().estimate(plan_id, wanted)


handler = serve(router)
