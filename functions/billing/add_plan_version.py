"""POST /api/v1/billing/plans/{plan_id}/versions"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.plans.plan import PLAN_PATTERN
from gpubroker.billing.plans.requests import VersionRequest
from gpubroker.billing.plans.views import VersionView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/plans/<plan_id>/versions",
    tags=["billing"],
    summary="The next version of a price plan, now or from a moment to come",
    status_code=201,
)
def add_plan_version(
    plan_id: Annotated[str, Path(pattern=PLAN_PATTERN)],
    wanted: Annotated[VersionRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[VersionView]:
    version = composition.plan_desk().add_version(caller, plan_id, wanted, idempotency)
    return Answer(version, 201, {"location": f"/api/v1/billing/plans/{plan_id}"})


handler = serve(router)
