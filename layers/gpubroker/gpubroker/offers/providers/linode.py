"""Linode (Akamai): types with GPUs, by region.

GET /v4/linode/types, which needs no key, and GET /v4/regions/availability, pages of 500 (`page`, `pages`). Whether the
latter answers without a key is not sure: where it is refused without one, types are listed without a region.
Units: price.hourly USD of the whole Linode, region_prices[].hourly where a region has its own; memory and disk MB.
The GPU stands only in the label ("RTX4000 Ada x1 Small"), its memory nowhere: it is that of the model in `gpus.py`.
Source: linode/linodego, recorded answers (TestTypes_List, TestRegionsAvailability_List).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, sold_with
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "linode"
ORIGIN = "https://api.linode.com"
SOURCE = "GET /v4/linode/types + GPU memory by model"

PAGE = 500
_LABEL = re.compile(r"(?:.*\+ *)?(?P<gpu>.+?)(?: GPU)? x\d+\b")


class Price(wire.Row):
    hourly: float | None = None


class RegionPrice(Price):
    id: str


class Type(wire.Row):
    id: str
    label: str
    price: Price
    region_prices: tuple[RegionPrice, ...] = ()
    gpus: int = 0
    vcpus: int | None = None
    memory: float | None = None
    disk: float | None = None


class Stock(wire.Row):
    region: str
    plan: str
    available: bool


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"types": of all pages, "availability": of all pages or None}."""

    async def read(path: str) -> list[Any]:
        async def page(params: Mapping[str, str]) -> Any:
            asked = {"page_size": str(PAGE), **params}
            return await asking.ask(client, SLUG, "GET", base_url + path, headers=asking.bearer(key), params=asked)

        def following(answer: Any, read: int) -> dict[str, str] | None:
            number = answer.get("page", 1)
            return {"page": str(number + 1)} if number < answer.get("pages", 1) else None

        return await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "data"), following)

    async def stock() -> list[Any] | None:
        try:
            return await read("/v4/regions/availability")
        except errors.BadCredentials:
            if key:
                raise
            return None

    types, availability = await asking.together(read("/v4/linode/types"), stock())
    return {"types": types, "availability": availability}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"types", "availability"}, or the answer of types alone ({"data": [...]}): nothing is known of regions then."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "types", "data")
    told = payload.get("availability")
    stock: dict[str, dict[str, bool]] = {}
    for one in harvest.read(Stock, told if told is not None else []):
        stock.setdefault(one.plan, {})[one.region] = one.available
    harvest.each(Type, rows, lambda kind: _offers(kind, stock.get(kind.id, {}), harvest.fetched_at))
    return harvest.offers()


def _offers(kind: Type, stock: Mapping[str, bool], fetched_at: datetime) -> Iterable[Offer]:
    if kind.gpus == 0:
        return
    gpus = wire.gpu_number(kind.gpus)
    label = _LABEL.match(kind.label)
    gpu = describe(label["gpu"] if label else kind.label)
    own = {one.id: one.hourly for one in kind.region_prices}
    for region in stock or (None,):
        free = stock[region] if region else None
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.id, region or ""),
            provider=SLUG,
            provider_offer_id=kind.id,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb or sold_with(gpu.model),
            vcpus=kind.vcpus,
            ram_gb=wire.tidy(kind.memory / 1024) if kind.memory else None,
            disk_gb=wire.tidy(kind.disk / 1024) if kind.disk else None,
            interconnect=gpu.form,
            region=canonical_region(SLUG, region),
            native_region=region,
            **wire.priced(own.get(region or "", kind.price.hourly), gpus=gpus),
            availability={True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}[
                free
            ],
            availability_confidence=0.0 if free is None else 0.8,
            compliance_tags=tags(SLUG),
            rentable=bool(free),
            launch={"type": kind.id, "region": region} if region else {},
            fetched_at=fetched_at,
        )
