"""Mithril (ML Foundry): spot auctions of whole instances.

GET /v2/instance-types and GET /v2/spot/availability, bearer key, joined by the type's `fid`.
Units: last_instance_price is the text of USD per hour of the whole instance, with a dollar sign ("$12.00"): what the
last auction came to, and no promise of the next; gpu_memory_gb GB of one GPU; ram_gb GB; capacity instances.
A type that no region has is not sold now and not listed; the types alone are listed without a price.
Source: SkyPilot's client (fetch_mithril.py).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, form_of
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "mithril"
ORIGIN = "https://api.mithril.ai"
SOURCE = "GET /v2/instance-types + GET /v2/spot/availability"


class InstanceType(wire.Row):
    fid: str
    name: str
    gpu_type: str | None = None
    num_gpus: int | None = None
    gpu_memory_gb: float | None = None
    num_cpus: float | None = None
    ram_gb: float | None = None


class Spot(wire.Row):
    instance_type: str
    region: str | None = None
    last_instance_price: str | float | None = None
    capacity: float | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"instance-types": answer, "spot/availability": answer}."""
    types, spot = await asking.together(
        asking.ask(client, SLUG, "GET", f"{base_url}/v2/instance-types", headers=asking.bearer(key)),
        asking.ask(client, SLUG, "GET", f"{base_url}/v2/spot/availability", headers=asking.bearer(key)),
    )
    return {"instance-types": types, "spot/availability": spot}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """Both answers by endpoint to one offer per type and region; the list of types alone to one per type."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.listed(SLUG, payload, "instance-types", "instance_types", "/v2/instance-types")
    kinds = {kind.fid: kind for kind in harvest.read(InstanceType, rows) if kind.gpu_type and kind.num_gpus}
    sold = _availability(payload)
    if sold is None:
        for kind in kinds.values():
            harvest.add(_offer(kind, None, harvest.fetched_at))
    else:
        harvest.each(Spot, sold, lambda spot: _offers(kinds, spot, harvest.fetched_at))
    return harvest.offers()


def _availability(payload: Any) -> Any:
    names = ("spot/availability", "spot-availability", "spot_availability", "availability", "/v2/spot/availability")
    found = (payload[name] for name in names if name in payload) if isinstance(payload, Mapping) else ()
    return next(iter(found), None)


def _offers(kinds: Mapping[str, InstanceType], spot: Spot, fetched_at: datetime) -> Iterable[Offer]:
    if kind := kinds.get(spot.instance_type):
        yield _offer(kind, spot, fetched_at)


def _offer(kind: InstanceType, spot: Spot | None, fetched_at: datetime) -> Offer:
    gpus = wire.gpu_number(kind.num_gpus)
    gpu = describe(kind.gpu_type or "", vram_gb=kind.gpu_memory_gb)
    cost = wire.UNPRICED if spot is None else wire.priced(_dollars(spot.last_instance_price), gpus=gpus)
    region = spot.region if spot else None
    capacity = spot.capacity if spot else None
    return Offer(
        offer_id=offer_id_of(SLUG, kind.fid, region or ""),
        provider=SLUG,
        provider_offer_id=kind.name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(kind.num_cpus),
        ram_gb=wire.tidy(kind.ram_gb),
        interconnect=gpu.form or form_of(kind.name, gpu.model),
        region=canonical_region(SLUG, region),
        native_region=region,
        **cost,
        spot=True,
        **wire.stock(None if capacity is None else capacity > 0, confidence=0.5),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )


def _dollars(price: str | float | None) -> str | float | None:
    return price.strip().removeprefix("$").replace(",", "") if isinstance(price, str) else price
