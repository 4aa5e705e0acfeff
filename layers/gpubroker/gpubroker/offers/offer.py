"""The one shape in which every provider's machines are compared (R7.1, checklist 215).

Units, everywhere an offer goes: money is integer micro-USD per hour; memory, VRAM and disk are GB as the provider
counts them (GiB where it counts in GiB: what is compared is what is sold under the name "80 GB"); times are UTC.
What a provider does not say is None, an empty tuple or "unknown": never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from gpubroker.kernel.ids import stable_id
from gpubroker.kernel.time import iso, parse_iso

HOURS_PER_MONTH = 720
"""What providers that price disk by the month divide by (30 days)."""


class Availability(StrEnum):
    """How likely it is that the machine can be had, as the provider says it. Best first (DESIGN §7)."""

    AVAILABLE = "available"
    LIMITED = "limited"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


AVAILABILITY = {one.value: one for one in Availability}


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Offer:
    """One machine shape that one provider sells in one place at one price. Nobody changes one that is made: it is not
    frozen because a frozen dataclass of this size takes twice as long to make, and a sync makes a hundred thousand.

    offer_id                   ours: `<provider>-<20 characters>`, the same at every fetch (see `offer_id_of`)
    provider                   our slug: vastai, runpod, ...
    cloud                      our slug of the cloud behind it, where the provider resells another's machine
    provider_offer_id          the provider's own name of it: an ask id, a GPU type id, an instance type, a VM size
    source                     the call or the dated table that said so, for example "POST /api/v0/bundles/"
    gpu_model                  canonical name ("H100", "RTX 4090"), see `gpus.py`; an unknown model's own name, trimmed
    gpu_count                  GPUs of the whole machine, at least 1
    vram_gb_per_gpu            GB of one GPU
    vcpus                      virtual CPUs that the tenant may use; fractions are real on vast.ai
    ram_gb, disk_gb            GB that the tenant may use
    interconnect               "SXM5", "PCIe", "NVL", "OAM" ...: the form of the GPU
    region                     canonical, see `regions.py`; None when the native name is not known
    native_region              as the provider writes it
    price_micros_per_hour      whole machine, micro-USD; None when the provider sells it and tells no price
    price_micros_per_gpu_hour  the same divided by gpu_count, half even
    currency, native_price     what the provider said: ISO 4217 code, and the decimal text for the whole machine
    exchange_rate              USD for one unit of `currency` (decimal text) and the day of that rate, where it is not
    exchange_rate_as_of        USD, see `rates.py`
    spot                       True when it may be taken away (interruptible, spot, bid)
    availability               see Availability
    availability_confidence    0..1: how much that word is worth. 1 for a single machine that is listed as free now,
                               less for a band ("LOW"), 0 where nothing was said
    reliability                0..1 where the provider measures it
    compliance_tags            sorted; only what the provider or a dated table says
    rentable                   True when this house can create it: an adapter exists and the provider says rentable
    launch                     the provider's own values that creating it needs; never shown to a caller. Two names
                               mean the same everywhere: `storage_cost`, USD per GB and month (decimal text) of disk
                               beyond the `storage_gb` that the price includes; absent where disk has no own price
    fetched_at                 when the provider's answer arrived, aware, UTC
    """

    offer_id: str
    provider: str
    provider_offer_id: str
    source: str
    gpu_model: str
    gpu_count: int
    price_micros_per_hour: int | None
    price_micros_per_gpu_hour: int | None
    currency: str
    native_price: str | None
    fetched_at: datetime
    exchange_rate: str | None = None
    exchange_rate_as_of: str | None = None
    cloud: str | None = None
    vram_gb_per_gpu: int | None = None
    vcpus: float | None = None
    ram_gb: float | None = None
    disk_gb: float | None = None
    interconnect: str | None = None
    region: str | None = None
    native_region: str | None = None
    spot: bool = False
    availability: Availability = Availability.UNKNOWN
    availability_confidence: float = 0.0
    reliability: float | None = None
    compliance_tags: tuple[str, ...] = ()
    rentable: bool = False
    launch: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def to_record(self) -> dict[str, Any]:
        """Everything, JSON-ready, `None`s left out. With `launch`, so for storage and never for an answer."""
        record = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        record["fetched_at"] = iso(self.fetched_at)
        record["availability"] = self.availability.value
        record["compliance_tags"] = list(self.compliance_tags)
        record["launch"] = dict(self.launch)
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The offer that `to_record` wrote. Raises KeyError, TypeError or ValueError on anything else."""
        return cls.from_values({**_NO_PRICE, **record}, _moment_of(record["fetched_at"]))

    @classmethod
    def from_values(cls, values: Mapping[str, Any], fetched_at: datetime) -> Self:
        """The same of a record without its time. Raises KeyError, TypeError or ValueError on anything else."""
        made = dict(values)
        made["fetched_at"] = fetched_at
        made["availability"] = AVAILABILITY[made["availability"]]
        made["compliance_tags"] = tuple(made.get("compliance_tags", ()))
        return cls(**made)


_FIELDS = tuple(one.name for one in fields(Offer))
_NO_PRICE = dict.fromkeys(("price_micros_per_hour", "price_micros_per_gpu_hour", "native_price"))
"""What a record leaves out of an offer whose price is not told, and an offer does not."""


@lru_cache(maxsize=64)
def _moment_of(text: str) -> datetime:
    """A whole snapshot shares a handful of fetch times, so each is parsed once."""
    return parse_iso(text)


@lru_cache(maxsize=262_144)  # more than the market has: one that is too small never finds anything
def offer_id_of(provider: str, *identity: object) -> str:
    """Our id of an offer: made of what does not change while it stays the same offer.

    `identity` is the provider's own id, region, count, spot and tier: never the price, and never vCPU, RAM or
    availability, which some providers report differently from hour to hour (RunPod, skypilot#6824).
    """
    return f"{provider}-{stable_id(*identity)}"


def as_moment(value: datetime | float | str) -> datetime:
    """The aware UTC datetime of a datetime (naive means UTC), of epoch seconds or of an RFC 3339 text."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        return parse_iso(value)
    return datetime.fromtimestamp(value, UTC)
