"""The price of an offer, now and before."""

from datetime import timedelta

from pydantic import Field

from gpubroker.billing.amounts import told
from gpubroker.billing.pricing.ports import Listed, Past
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class CurrentPricingView(View):
    """USD per hour; null where the provider tells no price."""

    price_per_hour: float | None
    price_per_hour_micros: int | None
    price_per_gpu_hour: float | None
    price_per_gpu_hour_micros: int | None
    available: bool
    rentable: bool
    priced_at: str


class HistoricalAverageView(View):
    """Of the hours in which the offer was seen, each by its median; the machine's price is its GPUs' together."""

    price_per_gpu_hour: float
    price_per_gpu_hour_micros: int
    price_per_hour: float
    price_per_hour_micros: int
    lowest_per_gpu_hour: float
    lowest_per_gpu_hour_micros: int
    highest_per_gpu_hour: float
    highest_per_gpu_hour_micros: int
    hours: int
    from_: str = Field(serialization_alias="from")
    to: str


class OfferPricingView(View):
    """historical_average is null where nothing was seen of the offer in that time."""

    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    region: str | None
    spot: bool
    currency: str = "USD"
    current_pricing: CurrentPricingView
    historical_average: HistoricalAverageView | None
    days: int

    @classmethod
    def of(cls, listed: Listed, past: Past | None, days: int) -> "OfferPricingView":
        return cls(
            offer_id=listed.offer_id,
            provider=listed.provider,
            gpu_model=listed.gpu_model,
            gpu_count=listed.gpu_count,
            region=listed.region,
            spot=listed.spot,
            current_pricing=CurrentPricingView(
                **told("price_per_hour", listed.per_hour),
                **told("price_per_gpu_hour", listed.per_gpu_hour),
                available=listed.available,
                rentable=listed.rentable,
                priced_at=iso(listed.fetched_at),
            ),
            historical_average=None
            if past is None
            else HistoricalAverageView(
                **told("price_per_gpu_hour", past.average),
                **told("price_per_hour", past.average * listed.gpu_count),
                **told("lowest_per_gpu_hour", past.low),
                **told("highest_per_gpu_hour", past.high),
                hours=past.hours,
                from_=iso(past.first),
                to=iso(past.last + timedelta(hours=1)),
            ),
            days=days,
        )
