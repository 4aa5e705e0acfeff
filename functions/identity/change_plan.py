"""PUT /api/v2/admin/users/{user_id}/plan"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.identity.use_cases import administration
from gpubroker.identity.views import PlanChoice, PlanView
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.put("/api/v2/admin/users/<user_id>/plan", tags=["administration"], summary="Put a user on a plan")
def change_plan(
    user_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[PlanChoice, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> PlanView:
    return administration.change_plan(caller, user_id, wanted.plan, idempotency=idempotency)


handler = serve(router, limited=False)
