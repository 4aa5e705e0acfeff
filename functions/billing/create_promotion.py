"""POST /api/v1/billing/promotions"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.billing.discounts.requests import PromotionRequest
from gpubroker.billing.discounts.views import PromotionView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post("/api/v1/billing/promotions", tags=["billing"], summary="A code that gives a discount", status_code=201)
def create_promotion(
    wanted: Annotated[PromotionRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[PromotionView]:
    promotion = composition.discount_desk().create_promotion(caller, wanted, idempotency)
    return Answer(promotion, 201)


handler = serve(router)
