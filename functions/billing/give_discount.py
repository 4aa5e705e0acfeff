"""POST /api/v1/billing/accounts/{account_id}/discounts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.discounts.requests import DiscountRequest
from gpubroker.billing.discounts.views import DiscountView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/accounts/<account_id>/discounts",
    tags=["billing"],
    summary="Give an account a discount",
    status_code=201,
)
def give_discount(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    wanted: Annotated[DiscountRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[DiscountView]:
    return Answer(composition.discount_desk().give(caller, account_id, wanted, idempotency), 201)


handler = serve(router)
