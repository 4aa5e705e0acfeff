"""Vast.ai: single machines of many hosts, on demand and interruptible.

POST /api/v0/bundles/ with a filter object; works without a key. No pagination, only a limit, whose default is small
(vast-cli#268). Numbers in filters must be numbers: as text they return fewer rows (vast-cli#54).
Units: gpu_ram and cpu_ram MB; disk_space GB; dph_total USD/h of the whole machine with `allocated_storage` GB of disk;
min_bid USD/h of the whole machine without its disk, which is billed on top (dph_total - dph_base);
storage_cost USD per GB of disk and month.
cpu_ram is the whole host's: a tenant gets its share of the cores of it.
Source: vast-ai/docs api-reference/openapi.yaml.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import HOURS_PER_MONTH, Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "vastai"
ORIGIN = "https://console.vast.ai"
SOURCE = "POST /api/v0/bundles/"

DISK_GB = 32
"""The disk that the listed prices include (`allocated_storage`) and that an order without a wish gets."""

_LIMIT = 10_000
_PLACES = 9
"""To which sums of two of its numbers are rounded: a thousandth of a micro-USD, far over the error of the sum."""


class Ask(wire.Row):
    """One machine that may be rented; `id` is the ask to accept."""

    id: wire.Id
    gpu_name: str
    num_gpus: int
    dph_total: float | None = None
    dph_base: float | None = None
    min_bid: float | None = None
    gpu_ram: float | None = None
    cpu_ram: float | None = None
    cpu_cores: float | None = None
    cpu_cores_effective: float | None = None
    disk_space: float | None = None
    storage_cost: float | None = None
    reliability2: float | None = None
    verified: bool | None = None
    verification: str | None = None
    rentable: bool | None = None
    rented: bool | None = None
    geolocation: str | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """Every verified machine that is free now, cheapest first. `key` may be None."""
    return await asking.ask(
        client,
        SLUG,
        "POST",
        f"{base_url}/api/v0/bundles/",
        headers=asking.bearer(key),
        body={
            "verified": {"eq": True},
            "external": {"eq": False},
            "rentable": {"eq": True},
            "rented": {"eq": False},
            "type": "ondemand",
            "allocated_storage": DISK_GB,
            "order": [["dph_total", "asc"]],
            "limit": _LIMIT,
        },
        max_body=asking.MAX_BODY,
    )


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"offers": [...]} to offers: each machine on demand, and interruptible where it has a minimum bid."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Ask, wire.member(SLUG, payload, "offers"), lambda ask: _offers(ask, harvest.fetched_at))
    return harvest.offers()


def _offers(ask: Ask, fetched_at: datetime) -> Iterable[Offer]:
    gpus = wire.gpu_number(ask.num_gpus)
    gpu = describe(ask.gpu_name, vram_gb=ask.gpu_ram / 1024 if ask.gpu_ram else None)
    free = ask.rentable is not False and ask.rented is not True
    if ask.rentable is None and ask.rented is None:
        availability, confidence = Availability.UNKNOWN, 0.0
    else:
        availability, confidence = Availability.AVAILABLE if free else Availability.UNAVAILABLE, 1.0
    disk = _disk(ask)
    storage = _storage(ask.storage_cost, disk)
    machine: dict[str, Any] = {
        "provider": SLUG,
        "provider_offer_id": ask.id,
        "source": SOURCE,
        "gpu_model": gpu.model,
        "gpu_count": gpus,
        "vram_gb_per_gpu": gpu.vram_gb,
        "vcpus": wire.tidy(ask.cpu_cores_effective),
        "ram_gb": _usable_ram(ask),
        "disk_gb": wire.tidy(ask.disk_space),
        "interconnect": gpu.form,
        "region": canonical_region(SLUG, ask.geolocation),
        "native_region": ask.geolocation,
        "availability": availability,
        "availability_confidence": confidence,
        "reliability": ask.reliability2 if ask.reliability2 is not None and 0 <= ask.reliability2 <= 1 else None,
        "compliance_tags": tags(SLUG, ("verified",) if ask.verified or ask.verification == "verified" else ()),
        "rentable": free,
        "fetched_at": fetched_at,
    }
    yield Offer(
        offer_id=offer_id_of(SLUG, ask.id, "ondemand"),
        launch={"ask_id": ask.id, **storage},
        **wire.priced(ask.dph_total, gpus=gpus),
        **machine,
    )
    if ask.min_bid is not None and ask.min_bid > 0:
        yield Offer(
            offer_id=offer_id_of(SLUG, ask.id, "bid"),
            spot=True,
            launch={"ask_id": ask.id, "bid": wire.shown(ask.min_bid), **storage},
            **wire.priced(round(ask.min_bid + disk, _PLACES), gpus=gpus),
            **machine,
        )


def _disk(ask: Ask) -> float:
    """USD per hour of the disk that `dph_total` includes; 0 where the answer does not say what it is."""
    if ask.dph_total is None or ask.dph_base is None or not 0 <= ask.dph_base <= ask.dph_total:
        return 0.0
    return ask.dph_total - ask.dph_base


def _storage(cost: float | None, disk: float) -> dict[str, Any]:
    """What disk beyond that of the listed price costs: as told, else as the listed price has it, else nothing known."""
    if cost is not None and 0 <= cost < math.inf:
        return {"storage_cost": wire.shown(cost), "storage_gb": DISK_GB}
    if not disk:
        return {}
    return {"storage_cost": wire.shown(round(disk * HOURS_PER_MONTH / DISK_GB, _PLACES)), "storage_gb": DISK_GB}


def _usable_ram(ask: Ask) -> float | None:
    """GB of the tenant's share of the host; None where the share is not known (cpu_cores can be null)."""
    if ask.cpu_ram is None or not ask.cpu_cores or ask.cpu_cores_effective is None:
        return None
    return wire.tidy(ask.cpu_ram / 1024 * min(1.0, ask.cpu_cores_effective / ask.cpu_cores))
