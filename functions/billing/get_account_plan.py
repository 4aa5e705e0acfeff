"""GET /api/v1/billing/accounts/{account_id}/plan"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.plans.views import AccountPlanView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/accounts/<account_id>/plan", tags=["billing"], summary="Which price plan an account is on")
def get_account_plan(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
) -> AccountPlanView:
    return composition.plan_desk().plan_of(caller, account_id)


handler = serve(router)
