"""What usage costs, as pure functions: no clock, no store, no float. The rules in words: docs/billing.md.

rate(price, quantity, already_rated)     the lines of one resource
rate_stretches(...)                      of one period in which the price changed
share_out, to_cents                      sums that survive rounding
"""

from gpubroker.billing.rating.lines import LineKind, RatedLine, total
from gpubroker.billing.rating.prices import (
    FlatModel,
    GraduatedModel,
    PackageModel,
    PriceModel,
    ResourcePrice,
    Tier,
    VolumeModel,
)
from gpubroker.billing.rating.rate import owed, rate, rate_stretches
from gpubroker.billing.rating.rounding import half_even, share_out, to_cents

__all__ = [
    "FlatModel",
    "GraduatedModel",
    "LineKind",
    "PackageModel",
    "PriceModel",
    "RatedLine",
    "ResourcePrice",
    "Tier",
    "VolumeModel",
    "half_even",
    "owed",
    "rate",
    "rate_stretches",
    "share_out",
    "to_cents",
    "total",
]
