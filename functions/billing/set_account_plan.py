"""PUT /api/v1/billing/accounts/{account_id}/plan"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.plans.requests import AccountPlanRequest
from gpubroker.billing.plans.views import AccountPlanView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.put(
    "/api/v1/billing/accounts/<account_id>/plan",
    tags=["billing"],
    summary="Put an account on a price plan, now or from a moment to come",
)
def set_account_plan(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    wanted: Annotated[AccountPlanRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> AccountPlanView:
    return composition.plan_desk().put_on(caller, account_id, wanted, idempotency)


handler = serve(router)
