"""GET /api/v1/billing/promotions"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.billing.discounts.views import PromotionPage
from gpubroker.composition import pricing as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()
_QUERY = "promotions, by code"


@router.get("/api/v1/billing/promotions", tags=["billing"], summary="Promotions, and how often each was redeemed")
def list_promotions(
    caller: Annotated[Caller, Depends(admin)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> PromotionPage:
    start = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.discount_desk().promotions(limit, start)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
