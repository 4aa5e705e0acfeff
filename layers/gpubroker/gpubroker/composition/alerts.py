"""What alerts need of offers (prices/alerts/ports.py), and their use cases."""

from functools import cache
from typing import TYPE_CHECKING

from gpubroker.composition import market

if TYPE_CHECKING:
    from gpubroker.prices.alerts.alert import Quote, Selector
    from gpubroker.prices.alerts.firing import Firing
    from gpubroker.prices.alerts.matching import Matcher
    from gpubroker.prices.alerts.ports import Market
    from gpubroker.prices.alerts.use_cases import AlertDesk


@cache
def alert_market() -> "Market":
    return _AlertMarket()


@cache
def alert_desk() -> "AlertDesk":
    """What callers may do with alerts. Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.repository import Alerts
    from gpubroker.prices.alerts.use_cases import AlertDesk

    return AlertDesk(alerts=Alerts(clock=utc_now), market=alert_market(), clock=utc_now)


@cache
def alert_matcher() -> "Matcher":
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.matching import Matcher
    from gpubroker.prices.alerts.repository import Alerts
    from gpubroker.prices.alerts.workflow import Workflows

    return Matcher(alerts=Alerts(clock=utc_now), workflows=Workflows())


@cache
def alert_firing() -> "Firing":
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.firing import Firing
    from gpubroker.prices.alerts.repository import Alerts

    return Firing(alerts=Alerts(clock=utc_now), market=alert_market(), clock=utc_now)


class _AlertMarket:
    """prices.alerts.ports.Market over the tables of names and the snapshot."""

    def gpu(self, name: str) -> "tuple[str, int | None] | None":
        from gpubroker.offers import gpus

        read = gpus.identify(name)
        if read.model not in gpus.MODELS and all(offer.gpu_model != read.model for offer in market.market_now()):
            return None
        return read.model, read.vram_gb

    def regions(self, name: str) -> "tuple[str, ...]":
        from gpubroker.offers.regions import covered

        return covered(name)

    def providers(self) -> "tuple[str, ...]":
        from gpubroker.offers.slugs import SLUGS

        return SLUGS

    def price_of(self, offer_id: str) -> "int | None":
        from gpubroker.offers.offer import Availability

        found = market.offer_lookup().offer(offer_id)
        if found is None or found.availability is Availability.UNAVAILABLE:
            return None
        return found.price_micros_per_gpu_hour

    def cheapest(self, selector: "Selector") -> "Quote | None":
        from gpubroker.offers.offer import Availability
        from gpubroker.prices.alerts.alert import Quote

        quotes = [
            Quote(
                offer_id=offer.offer_id,
                provider=offer.provider,
                gpu_type=offer.gpu_model,
                gpu_count=offer.gpu_count,
                region=offer.region,
                spot=offer.spot,
                price_micros=micros,
            )
            for offer in market.market_now()
            if (micros := offer.price_micros_per_gpu_hour) is not None
            and offer.availability is not Availability.UNAVAILABLE
            and selector.covers(gpu_type=offer.gpu_model, region=offer.region, provider=offer.provider, spot=offer.spot)
        ]
        return min(quotes, key=lambda quote: (quote.price_micros, quote.offer_id), default=None)
