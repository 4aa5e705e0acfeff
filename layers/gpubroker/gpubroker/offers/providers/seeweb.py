"""Seeweb (Italy): cloud server plans with GPUs, by region.

GET /ecs/v2/plans and GET /ecs/v2/plans/availables, header X-APITOKEN. A plan's `available` says that it is sold at all,
and available_regions where; what can be had this moment stands in the second answer only.
Units: hourly_price of the whole plan, number or text; the answer names no currency. Seeweb's own pages are in EUR, so
EUR it is here: a careful guess that shows rather too much than too little (gpuhunt takes the same numbers as USD).
Counts and sizes are text: ram MB, disk GB. The label says the GPU with the memory of one.
Source: dstackai/gpuhunt providers/seeweb.py and its tests, dstackai/dstack backends/seeweb.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import httpx
from pydantic import BeforeValidator

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.rates import DATED, Rates
from gpubroker.offers.regions import canonical_region

SLUG = "seeweb"
ORIGIN = "https://api.seeweb.it"
SOURCE = "GET /ecs/v2/plans"

_LEADING = re.compile(r"\s*\$?\s*(-?\d+(?:\.\d+)?)(?:\s*[A-Za-z]*)?\s*")


def _number(value: object) -> object:
    """The number of a text such as "8", "32768 MB" or "$0.85"."""
    found = _LEADING.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value


Amount = Annotated[float | None, BeforeValidator(_number)]


class Place(wire.Row):
    location: str | None = None


class Plan(wire.Row):
    name: str
    gpu: Annotated[int, BeforeValidator(_number)] = 0
    gpu_label: str | None = None
    hourly_price: Annotated[Decimal | None, BeforeValidator(_number)] = None
    cpu: Amount = None
    ram: Amount = None
    disk: Amount = None
    available: bool | None = None
    available_regions: tuple[Place, ...] | None = None


class Region(wire.Row):
    region: str


class Stock(wire.Row):
    name: str
    region_availables: tuple[Region, ...] | None = None
    region_available: tuple[Region, ...] | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"plans", "availables"}."""
    headers = {"x-apitoken": str(key)} if key else {}
    plans, free = await asking.together(
        asking.ask(client, SLUG, "GET", f"{base_url}/ecs/v2/plans", headers=headers),
        asking.ask(client, SLUG, "GET", f"{base_url}/ecs/v2/plans/availables", headers=headers),
    )
    return {"plans": wire.member(SLUG, plans, "plans"), "availables": wire.member(SLUG, free, "plans")}


def normalise(payload: Any, *, fetched_at: datetime | float | str, rates: Rates = DATED) -> wire.Offers:
    """{"plans", "availables"}; the answer of plans alone is taken too, and nothing is known of capacity then."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "plans")
    told = payload.get("availables")
    stock: dict[str, set[str]] | None = None
    if told is not None:
        stock = {
            one.name: {place.region for place in one.region_availables or one.region_available or ()}
            for one in harvest.read(Stock, told)
        }
    harvest.each(Plan, rows, lambda plan: _offers(plan, stock, rates, harvest.fetched_at))
    return harvest.offers()


def _offers(plan: Plan, stock: Mapping[str, set[str]] | None, rates: Rates, fetched_at: datetime) -> Iterable[Offer]:
    if plan.gpu == 0 or not plan.gpu_label or plan.available is False:
        return
    gpus = wire.gpu_number(plan.gpu)
    cost = wire.priced(plan.hourly_price, gpus=gpus, currency="EUR", rates=rates)
    gpu = describe(plan.gpu_label)
    places = dict.fromkeys(place.location for place in plan.available_regions or () if place.location)
    for place in places or (None,):
        free = None if stock is None or place is None else place in stock.get(plan.name, ())
        yield Offer(
            offer_id=offer_id_of(SLUG, plan.name, place or ""),
            provider=SLUG,
            provider_offer_id=plan.name,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=wire.tidy(plan.cpu),
            ram_gb=wire.tidy(plan.ram / 1024) if plan.ram else None,
            disk_gb=wire.tidy(plan.disk),
            interconnect=gpu.form,
            region=canonical_region(SLUG, place, (place or "")[:2]),
            native_region=place,
            **cost,
            availability={True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}[
                free
            ],
            availability_confidence=0.0 if free is None else 0.8,
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )
