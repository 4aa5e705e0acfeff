"""GET /api/v1/billing/accounts/{account_id}/discounts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.discounts.views import DiscountList
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/accounts/<account_id>/discounts", tags=["billing"], summary="The discounts of an account")
def list_discounts(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
) -> DiscountList:
    return composition.discount_desk().discounts_of(caller, account_id)


handler = serve(router)
