"""GET /internal/v1/providers/pricing/{offer_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.pricing.views import OfferPricingView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get(
    "/internal/v1/providers/pricing/<offer_id>",
    tags=["internal"],
    summary="What an offer costs now, and what it cost on average",
)
def get_offer_pricing(
    offer_id: Annotated[str, Path(min_length=3, max_length=128, pattern=r"^[A-Za-z0-9._:-]+$")],
    caller: Annotated[Caller, Depends(scoped("internal:read"))],
    days: Annotated[int, Query(ge=1, le=90)] = 30,
) -> OfferPricingView:
    return composition.pricing_desk().pricing_of(offer_id, days)


handler = serve(router)
