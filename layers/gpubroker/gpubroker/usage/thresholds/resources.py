"""What a threshold may watch: the metrics of a usage event, and the units they may be asked about in.

Units are decimal (1 GB = 1,000 MB, 1 TB = 1,000 GB), as networks and disks are sold. Conversion is exact.
"""

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

EXACT = Context(prec=60)
"""More digits than a product of a limit, a factor and a percentage can have."""


class Resource(StrEnum):
    CPU = "cpu"
    MEMORY = "memory"
    STORAGE = "storage"
    NETWORK_EGRESS = "network_egress"
    NETWORK_INGRESS = "network_ingress"
    GPU = "gpu"


class Period(StrEnum):
    """Over what a cumulative metric is added up; in UTC."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a usage event.

    level  True for what is at a moment (percentages, GB): the newest value counts. False for what is used up
           (seconds, MB through a network): the sum over a period counts.
    """

    name: str
    level: bool


CPU_PERCENT = Metric("cpu_percent_avg", level=True)
CPU_SECONDS = Metric("cpu_seconds", level=False)
MEMORY_GB = Metric("memory_gb", level=True)
MEMORY_PERCENT = Metric("memory_percent", level=True)
STORAGE_GB = Metric("storage_gb", level=True)
EGRESS_MB = Metric("network_egress_mb", level=False)
INGRESS_MB = Metric("network_ingress_mb", level=False)
GPU_SECONDS = Metric("gpu_seconds", level=False)

PERCENT = "%"
_GB = {"MB": Decimal("0.001"), "GB": Decimal(1), "TB": Decimal(1000)}
_MB = {"MB": Decimal(1), "GB": Decimal(1000), "TB": Decimal(1_000_000)}
_SECONDS = {"seconds": Decimal(1), "minutes": Decimal(60), "hours": Decimal(3600)}

_ABSOLUTE: dict[Resource, tuple[Metric, dict[str, Decimal]]] = {
    Resource.CPU: (CPU_SECONDS, _SECONDS),
    Resource.MEMORY: (MEMORY_GB, _GB),
    Resource.STORAGE: (STORAGE_GB, _GB),
    Resource.NETWORK_EGRESS: (EGRESS_MB, _MB),
    Resource.NETWORK_INGRESS: (INGRESS_MB, _MB),
    Resource.GPU: (GPU_SECONDS, _SECONDS),
}
PERCENTAGES = {Resource.CPU: CPU_PERCENT, Resource.MEMORY: MEMORY_PERCENT}
"""What is measured as a percentage already: of the instance's own CPU and memory."""
USUAL_UNITS = {
    Resource.CPU: "seconds",
    Resource.MEMORY: "GB",
    Resource.STORAGE: "GB",
    Resource.NETWORK_EGRESS: "MB",
    Resource.NETWORK_INGRESS: "MB",
    Resource.GPU: "seconds",
}
"""The unit of the metric itself: of a limit that names none."""
_SPELLINGS = {
    name.lower(): name for units in (_GB, _MB, _SECONDS) for name in units
} | {"%": PERCENT, "percent": PERCENT, "percentage": PERCENT, "second": "seconds", "s": "seconds",
     "minute": "minutes", "min": "minutes", "hour": "hours", "h": "hours"}  # fmt: skip


def unit_of(text: str) -> str | None:
    """A unit as it is written here; None for what is none (GiB is none: it is another number)."""
    return _SPELLINGS.get(text.strip().lower())


def units_of(resource: Resource) -> tuple[str, ...]:
    """In what an amount of it may be given."""
    return tuple(_ABSOLUTE[resource][1])


def measured_in(resource: Resource, units: str) -> tuple[Metric, Decimal]:
    """The metric that an amount of a resource in these units is held against, and what one unit is of the metric's.

    Raises KeyError for units that are none of the resource's.
    """
    metric, factors = _ABSOLUTE[resource]
    return metric, factors[units]
