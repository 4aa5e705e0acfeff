"""What the pricing of offers needs of others: the market, and its history. `composition/pricing.py` joins them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gpubroker.kernel.money import MicroUsd


@dataclass(frozen=True, slots=True)
class Listed:
    """An offer as it is listed now. Prices are micro-USD per hour; None where its provider tells none."""

    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    region: str | None
    spot: bool
    per_hour: MicroUsd | None
    per_gpu_hour: MicroUsd | None
    available: bool
    rentable: bool
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """What an offer cost in the hours in which it was seen; micro-USD per GPU-hour."""

    average: MicroUsd
    low: MicroUsd
    high: MicroUsd
    hours: int
    first: datetime
    last: datetime


class OfferMarket(Protocol):
    def listed(self, offer_id: str) -> Listed | None:
        """None for an offer that is not on the market, or not any more."""
        ...

    def past(self, listed: Listed, since: datetime, now: datetime) -> Past | None:
        """None for an offer that was not seen since."""
        ...
