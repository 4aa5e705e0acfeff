"""POST /api/v1/billing/plans"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.billing.plans.requests import PlanRequest
from gpubroker.billing.plans.views import PlanView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post("/api/v1/billing/plans", tags=["billing"], summary="A new price plan", status_code=201)
def create_plan(
    wanted: Annotated[PlanRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[PlanView]:
    plan = composition.plan_desk().create(caller, wanted, idempotency)
    return Answer(plan, 201, {"location": f"/api/v1/billing/plans/{plan.plan_id}"})


handler = serve(router)
