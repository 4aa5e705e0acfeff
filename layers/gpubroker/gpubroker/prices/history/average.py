"""What an offer cost on average: each hour in which it was seen counts once, by the median of what was seen in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from gpubroker.kernel.money import MicroUsd
from gpubroker.prices.history.aggregate import Stats


@dataclass(frozen=True, slots=True)
class Average:
    """Micro-USD per GPU-hour, over `hours` hours of which the first and the last begin at `first` and `last`."""

    price: MicroUsd
    low: MicroUsd
    high: MicroUsd
    hours: int
    first: datetime
    last: datetime


def average_of(hours: Mapping[datetime, Stats]) -> Average | None:
    """The mean of the hours' medians, rounded half to even; None where it was never seen."""
    if not hours:
        return None
    together = sum(stats.median for stats in hours.values())
    return Average(
        price=round(Fraction(together, len(hours))),
        low=min(stats.low for stats in hours.values()),
        high=max(stats.high for stats in hours.values()),
        hours=len(hours),
        first=min(hours),
        last=max(hours),
    )
