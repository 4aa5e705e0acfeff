"""DELETE /api/v1/billing/accounts/{account_id}/credits/{credit_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.credits.views import CreditView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v1/billing/accounts/<account_id>/credits/<credit_id>",
    tags=["billing"],
    summary="Void a credit: what is left of it is gone",
)
def void_credit(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    credit_id: Annotated[str, Path(pattern=r"^crd_[0-9A-Z]{26}$")],
    caller: Annotated[Caller, Depends(admin)],
    reason: Annotated[str | None, Query(max_length=500)] = None,
) -> CreditView:
    return composition.credit_desk().void(caller, account_id, credit_id, reason)


handler = serve(router)
