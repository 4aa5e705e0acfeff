"""DELETE /api/v1/billing/accounts/{account_id}/discounts/{discount_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.discounts.views import DiscountView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v1/billing/accounts/<account_id>/discounts/<discount_id>",
    tags=["billing"],
    summary="End a discount with this month",
)
def end_discount(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    discount_id: Annotated[str, Path(pattern=r"^dsc_[0-9A-Z]{26}$")],
    caller: Annotated[Caller, Depends(admin)],
    reason: Annotated[str | None, Query(max_length=500)] = None,
) -> DiscountView:
    return composition.discount_desk().end(caller, account_id, discount_id, reason)


handler = serve(router)
