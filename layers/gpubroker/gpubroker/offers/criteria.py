"""What offers are compared by (DESIGN §7): each criterion's direction, its value for an offer, its usual weight.

A value that is not known is None: it counts as the worst of the set and the answer says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from gpubroker.offers.offer import Availability
from gpubroker.offers.parts import UNPRICED, Columns
from gpubroker.offers.ranking import Direction

CriterionName: TypeAlias = Literal["price", "performance", "availability", "latency"]

AVAILABILITY_LEVEL: dict[str, int] = {
    Availability.UNAVAILABLE: 0,
    Availability.UNKNOWN: 1,
    Availability.LIMITED: 2,
    Availability.AVAILABLE: 3,
}

USUAL_ORIGIN = "us-east"
"""Where a caller is taken to be who does not say so: the region that `latency` is then measured from."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """unit: of the value as it is shown; direction: what is better unless a caller says otherwise."""

    name: CriterionName
    direction: Direction
    unit: str
    usual_weight: float


CRITERIA: tuple[Criterion, ...] = (
    Criterion("price", "min", "USD per GPU-hour", 0.4),
    Criterion("performance", "max", "dense FP16 TFLOPS of one GPU", 0.3),
    Criterion("availability", "max", "3 available, 2 limited, 1 unknown, 0 unavailable", 0.2),
    Criterion("latency", "min", "ms of round trip from the caller's region", 0.1),
)
BY_NAME: Mapping[str, Criterion] = {criterion.name: criterion for criterion in CRITERIA}
USUAL_WEIGHTS: dict[str, float] = {criterion.name: criterion.usual_weight for criterion in CRITERIA}


@cache
def _latency_from(origin: str) -> Callable[[str], float | None]:
    from gpubroker.offers import regions  # 5 ms of tables that a list by price does not need

    known: dict[str, float | None] = {}

    def latency(region: str) -> float | None:
        if region not in known:
            known[region] = regions.latency_ms(origin, region or None)
        return known[region]

    return latency


def values_of(columns: Columns, name: str, origin: str = USUAL_ORIGIN) -> list[float | None]:
    """The criterion's value of each row; None where it is not known. Prices are USD per GPU-hour."""
    match name:
        case "price":
            return [None if price == UNPRICED else price / 1_000_000 for price in columns.price]
        case "performance":
            return [tflops or None for tflops in columns.tflops]
        case "availability":
            return list(map(AVAILABILITY_LEVEL.__getitem__, columns.availability))
        case "latency":
            return list(map(_latency_from(origin), columns.region))
    raise KeyError(name)


def matrix_of(columns: Columns, names: list[str], origin: str = USUAL_ORIGIN) -> list[tuple[float | None, ...]]:
    """One row an offer, one column a criterion, as ranking.py takes it."""
    return list(zip(*(values_of(columns, name, origin) for name in names), strict=True))
