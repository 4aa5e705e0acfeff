"""POST /api/v1/billing/promotions/{code}/redeem"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.discounts.promotion import CODE_PATTERN
from gpubroker.billing.discounts.views import DiscountView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/promotions/<code>/redeem",
    tags=["billing"],
    summary="Redeem a code for one's own account, once",
    status_code=201,
)
def redeem_promotion(
    code: Annotated[str, Path(pattern=CODE_PATTERN)],
    caller: Annotated[Caller, Depends(scoped("billing:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[DiscountView]:
    return Answer(composition.discount_desk().redeem(caller, code, idempotency), 201)


handler = serve(router)
