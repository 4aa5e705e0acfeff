"""Prime Intellect: an aggregator; whole shapes of several clouds.

GET /api/v1/availability/gpus, pages of 100 with totalCount. Now and then one of its replicas answers 200 with an empty
list although there is stock, so an empty first page is asked for once more.
Units: prices.onDemand and prices.communityPrice USD/h of the whole shape; gpuMemory GB per GPU; sizes GB.
vCPU, RAM and disk are given as a range: what is offered is the default, where one is said.
Source: PrimeIntellect-ai/prime-cli.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.merging import cloud_slug
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "primeintellect"
ORIGIN = "https://api.primeintellect.ai"
SOURCE = "GET /api/v1/availability/gpus"

PAGE_SIZE = 100
_MOST_PAGES = 100

_STOCK = {
    "AVAILABLE": (Availability.AVAILABLE, 0.8),
    "HIGH": (Availability.AVAILABLE, 0.9),
    "MEDIUM": (Availability.AVAILABLE, 0.7),
    "LOW": (Availability.LIMITED, 0.5),
    "UNAVAILABLE": (Availability.UNAVAILABLE, 0.9),
}


class Range(wire.Row):
    """A resource that may be chosen between bounds."""

    defaultCount: float | None = None  # noqa: N815  (the wire's own names, here and below)


class Prices(wire.Row):
    onDemand: Decimal | None = None  # noqa: N815
    communityPrice: Decimal | None = None  # noqa: N815
    currency: str | None = None


class Shape(wire.Row):
    cloudId: wire.Id  # noqa: N815
    gpuType: str  # noqa: N815
    gpuCount: int  # noqa: N815
    gpuMemory: float | None = None  # noqa: N815
    socket: str | None = None
    provider: str | None = None
    region: str | None = None
    dataCenter: str | None = None  # noqa: N815
    dataCenterId: str | None = None  # noqa: N815
    country: str | None = None
    vcpu: Range | None = None
    memory: Range | None = None
    disk: Range | None = None
    stockStatus: str | None = None  # noqa: N815
    security: str | None = None
    prices: Prices
    isSpot: bool | None = None  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"items": all pages, "totalCount"}."""
    first = await _page(client, base_url, key, 1)
    if isinstance(first, Mapping) and first.get("items") == []:
        first = await _page(client, base_url, key, 1)
    rows = wire.member(SLUG, first, "items")
    total = first.get("totalCount")
    pages = min(math.ceil(total / PAGE_SIZE), _MOST_PAGES) if isinstance(total, int) else 1
    rest = await asking.together(*(_page(client, base_url, key, page) for page in range(2, pages + 1)))
    return {"items": [*rows, *(row for page in rest for row in wire.member(SLUG, page, "items"))], "totalCount": total}


async def _page(client: httpx.AsyncClient, base_url: str, key: Any, page: int) -> Any:
    return await asking.ask(
        client,
        SLUG,
        "GET",
        f"{base_url}/api/v1/availability/gpus",
        headers=asking.bearer(key),
        params={"page": str(page), "page_size": str(PAGE_SIZE)},
    )


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"items": [...]}, the bare list, or the older {gpu type: [...]} to offers."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Shape, _rows(payload), lambda shape: _offers(shape, harvest.fetched_at))
    return harvest.offers()


def _rows(payload: Any) -> Any:
    if isinstance(payload, list):
        return payload
    if isinstance(payload, Mapping) and payload and "items" not in payload:
        lists = [rows for rows in payload.values() if isinstance(rows, list)]
        if lists:
            return [row for rows in lists for row in rows]
        if "cloudId" in payload:
            return [payload]
    return wire.member(SLUG, payload, "items")


def _offers(shape: Shape, fetched_at: datetime) -> Iterable[Offer]:
    if (shape.prices.currency or "USD").upper() != "USD":
        raise wire.Refused("currency")
    gpus = wire.gpu_number(shape.gpuCount)
    native = shape.prices.onDemand if shape.prices.onDemand is not None else shape.prices.communityPrice
    cost = wire.priced(native, gpus=gpus)
    gpu = describe(shape.gpuType, vram_gb=shape.gpuMemory, form=shape.socket)
    place = shape.dataCenterId or shape.dataCenter or shape.region or shape.country
    availability, confidence = _STOCK.get((shape.stockStatus or "").upper(), (Availability.UNKNOWN, 0.0))
    community = (shape.security or "").startswith("community")
    tier = "community-cloud" if community else "secure-cloud" if shape.security else ""
    yield Offer(
        offer_id=offer_id_of(
            SLUG,
            shape.provider or "",
            shape.cloudId,
            shape.gpuType,
            shape.socket or "",
            gpus,
            place or "",
            tier,
            bool(shape.isSpot),
        ),
        provider=SLUG,
        cloud=cloud_slug(shape.provider),
        provider_offer_id=f"{shape.provider}/{shape.cloudId}" if shape.provider else shape.cloudId,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(shape.vcpu.defaultCount) if shape.vcpu else None,
        ram_gb=wire.tidy(shape.memory.defaultCount) if shape.memory else None,
        disk_gb=wire.tidy(shape.disk.defaultCount) if shape.disk else None,
        interconnect=gpu.form,
        region=canonical_region(SLUG, place, shape.country),
        native_region=place,
        **cost,
        spot=bool(shape.isSpot),
        availability=availability,
        availability_confidence=confidence,
        compliance_tags=tags(SLUG, (tier,) if tier else ()),
        fetched_at=fetched_at,
    )
