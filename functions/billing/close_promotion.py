"""DELETE /api/v1/billing/promotions/{code}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.discounts.promotion import CODE_PATTERN
from gpubroker.billing.discounts.views import PromotionView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()


@router.delete("/api/v1/billing/promotions/<code>", tags=["billing"], summary="Let nobody redeem a promotion any more")
def close_promotion(
    code: Annotated[str, Path(pattern=CODE_PATTERN)],
    caller: Annotated[Caller, Depends(admin)],
    reason: Annotated[str | None, Query(max_length=500)] = None,
) -> PromotionView:
    return composition.discount_desk().close(caller, code, reason)


handler = serve(router)
