"""What an offer costs (301)."""

from datetime import timedelta

from gpubroker.billing.pricing.ports import OfferMarket
from gpubroker.billing.pricing.views import OfferPricingView
from gpubroker.kernel.errors import NotFound
from gpubroker.kernel.time import Clock


class OfferNotFound(NotFound):
    code = "offer-not-found"
    title = "There is no such offer"


class PricingDesk:
    def __init__(self, *, market: OfferMarket, clock: Clock):
        self._market, self._clock = market, clock

    def pricing_of(self, offer_id: str, days: int) -> OfferPricingView:
        """The price of now, and the average of the last days. Raises OfferNotFound."""
        listed, now = self._market.listed(offer_id), self._clock()
        if listed is None:
            raise OfferNotFound(f"There is no offer {offer_id}, or not any more.")
        return OfferPricingView.of(listed, self._market.past(listed, now - timedelta(days=days), now), days)
