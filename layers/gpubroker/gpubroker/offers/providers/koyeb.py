"""Koyeb: serverless containers on GPUs, by region. No virtual machines: listed, not rented.

GET /v1/catalog/instances (`limit`, `offset`, `count`) and GET /v1/catalog/usage, {"usage": {"regions": {region:
{"instances": {id: {"availability"}}}}}}. That the catalogue answers without a key is said and not sure; with a key it
is sent.
Units: price_hourly text, USD of the whole instance; memory and disk texts such as "44GB"; gpu.memory of one GPU.
Source: koyeb/koyeb-api-client-go (CatalogInstance, ListUsageReply, RegionUsage, InstanceUsage).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "koyeb"
ORIGIN = "https://app.koyeb.com"
SOURCE = "GET /v1/catalog/instances"

PAGE = 100

_STOCK = {
    "HIGH": (Availability.AVAILABLE, 0.9),
    "MEDIUM": (Availability.AVAILABLE, 0.7),
    "LOW": (Availability.LIMITED, 0.5),
}


class Gpu(wire.Row):
    count: int
    brand: str | None = None
    name: str
    memory: str | None = None


class Instance(wire.Row):
    id: str
    type: str | None = None
    price_hourly: Decimal | None = None
    vcpu_shares: float | None = None
    memory: str | None = None
    disk: str | None = None
    regions: tuple[str, ...] | None = None
    status: str | None = None
    gpu: Gpu | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"instances": of all pages, "usage"}."""

    async def page(params: Mapping[str, str]) -> Any:
        asked = {"limit": str(PAGE), "offset": "0", **params}
        url = f"{base_url}/v1/catalog/instances"
        return await asking.ask(client, SLUG, "GET", url, headers=asking.bearer(key), params=asked)

    def following(answer: Any, read: int) -> dict[str, str] | None:
        total = answer.get("count")
        return {"offset": str(read)} if isinstance(total, int) and read < total else None

    rows, usage = await asking.together(
        asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "instances"), following),
        asking.ask(client, SLUG, "GET", f"{base_url}/v1/catalog/usage", headers=asking.bearer(key)),
    )
    return {"instances": rows, "usage": wire.member(SLUG, usage, "usage")}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"instances", "usage"}; the answer of instances alone is taken too, and nothing is known of capacity then."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "instances")
    regions = (payload.get("usage") or {}).get("regions") or {}
    if not isinstance(regions, Mapping):
        raise errors.UnknownAnswer(SLUG, "regions is no object")
    stock = {region: told.get("instances") or {} for region, told in regions.items()}
    harvest.each(Instance, rows, lambda kind: _offers(kind, stock, harvest.fetched_at))
    return harvest.offers()


def _offers(kind: Instance, stock: Mapping[str, Mapping[str, Any]], fetched_at: datetime) -> Iterable[Offer]:
    if kind.gpu is None or kind.gpu.count == 0:
        return
    gpus = wire.gpu_number(kind.gpu.count)
    cost = wire.priced(kind.price_hourly, gpus=gpus)
    gpu = describe(kind.gpu.name, vram_gb=_gigabytes(kind.gpu.memory))
    for region in kind.regions or (None,):
        word = (stock.get(region or "", {}).get(kind.id) or {}).get("availability")
        availability, confidence = _STOCK.get(str(word).upper(), (Availability.UNKNOWN, 0.0))
        if (kind.status or "available").lower() != "available":
            availability, confidence = Availability.UNAVAILABLE, 0.8
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.id, region or ""),
            provider=SLUG,
            provider_offer_id=kind.id,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=wire.tidy(kind.vcpu_shares),
            ram_gb=wire.tidy(_gigabytes(kind.memory)),
            disk_gb=wire.tidy(_gigabytes(kind.disk)),
            interconnect=gpu.form,
            region=canonical_region(SLUG, region),
            native_region=region,
            **cost,
            availability=availability,
            availability_confidence=confidence,
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )


def _gigabytes(text: str | None) -> float | None:
    """ "44GB", "512MB", "1TB"; None for what is not read."""
    for unit, factor in (("GB", 1.0), ("MB", 1 / 1024), ("TB", 1024.0)):
        number = (text or "").strip().upper().removesuffix(unit)
        if text and number != text.strip().upper() and number.replace(".", "", 1).isdigit():
            return float(number) * factor
    return None
