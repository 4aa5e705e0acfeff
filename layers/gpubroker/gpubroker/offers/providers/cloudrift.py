"""CloudRift: virtual machines of a few data centres. Prices need no key.

POST /api/v1/instance-types/list with a selector; every body carries the version of the protocol it speaks.
Units: cost_per_hour US CENTS of the whole machine; dram, vram and disk BYTES (vram of one GPU or of all is not sure:
read as what the model is sold with). nodes_per_dc counts machines by data centre; none is sold out there.
Source: dstackai/gpuhunt providers/cloudrift.py, dstackai/dstack backends/cloudrift.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from pydantic import Field

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, vram_of_one
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "cloudrift"
ORIGIN = "https://api.cloudrift.ai"
SOURCE = "POST /api/v1/instance-types/list"

VERSION = "2025-03-21"
_GIB = 1024**3


class Variant(wire.Row):
    name: str
    brand: str
    cost_per_hour: Decimal | None = None
    cpu_count: float | None = None
    dram: float | None = None
    vram: float | None = None
    disk: float | None = None
    gpu_count: int = 0
    nodes_per_dc: Mapping[str, int] = Field(default_factory=dict)


def header(key: Any) -> dict[str, str]:
    return {"x-api-key": str(key)} if key else {}


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(
        client,
        SLUG,
        "POST",
        f"{base_url}/api/v1/instance-types/list",
        headers=header(key),
        body={"version": VERSION, "data": {"selector": {"ByServiceAndLocation": {"services": ["vm"]}}}},
    )


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"data": {"instance_types": [...]}} to one offer per variant and data centre."""
    harvest = wire.Harvest(SLUG, fetched_at)
    kinds = wire.member(SLUG, wire.member(SLUG, payload, "data"), "instance_types")
    rows = [row for kind in kinds for row in _variants(kind)] if isinstance(kinds, list) else kinds
    harvest.each(Variant, rows, lambda variant: _offers(variant, harvest.fetched_at))
    return harvest.offers()


def _variants(kind: Any) -> list[Any]:
    """The variants of a type, each with the type's name of its GPU; what is no type is passed on to be counted."""
    variants = kind.get("variants") if isinstance(kind, Mapping) else None
    if not isinstance(variants, list):
        return [kind]
    return [{**row, "brand": kind.get("brand_short")} if isinstance(row, Mapping) else row for row in variants]


def _offers(variant: Variant, fetched_at: datetime) -> Iterable[Offer]:
    if variant.gpu_count == 0:
        return
    gpus = wire.gpu_number(variant.gpu_count)
    cents = wire.amount(variant.cost_per_hour)
    cost = wire.priced(None if cents is None else cents / 100, gpus=gpus)
    said = vram_of_one(describe(variant.brand).model, variant.vram / _GIB if variant.vram else None, gpus)
    gpu = describe(variant.brand, vram_gb=said)
    for place, nodes in (variant.nodes_per_dc or {"": 0}).items():
        yield Offer(
            offer_id=offer_id_of(SLUG, variant.name, place),
            provider=SLUG,
            provider_offer_id=variant.name,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=wire.tidy(variant.cpu_count),
            ram_gb=wire.tidy(variant.dram / _GIB) if variant.dram else None,
            disk_gb=wire.tidy(variant.disk / _GIB) if variant.disk else None,
            interconnect=gpu.form,
            region=canonical_region(SLUG, place),
            native_region=place or None,
            **cost,
            availability=Availability.AVAILABLE if nodes > 0 else Availability.UNAVAILABLE,
            availability_confidence=0.8,
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )
