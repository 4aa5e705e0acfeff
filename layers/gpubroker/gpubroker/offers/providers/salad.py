"""SaladCloud: containers on people's own machines, by GPU class and priority.

GET /api/public/organizations/{organization}/gpu-classes, header Salad-Api-Key; the organisation is part of the key's
object. Units: prices[].price is the text of USD per hour of the class at one priority. vCPU and RAM are billed on top
by their size, at rates that the API does not tell: none are listed, and the price is of the GPU alone.
A node can vanish at any time, whatever the priority: every offer is interruptible. There is no region.
Source: SaladTechnologies/salad-cloud-docs api-specs/salad-cloud.yaml.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of

SLUG = "salad"
ORIGIN = "https://api.salad.com"
SOURCE = "GET /api/public/organizations/{organization}/gpu-classes (GPU alone; vCPU and RAM are billed on top)"
KEY_PARTS = ("api_key", "organization")


class Price(wire.Row):
    priority: str
    price: Decimal | None = None


class GpuClass(wire.Row):
    id: str
    name: str
    prices: tuple[dict[str, Any], ...] = ()
    gpu_count: int | None = None
    gpu_class_type: str | None = None
    is_high_demand: bool | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """`key` is {"api_key", "organization"}."""
    api_key, organization = asking.account(SLUG, key, "api_key", "organization")
    url = f"{base_url}/api/public/organizations/{quote(organization, safe='')}/gpu-classes"
    return await asking.ask(client, SLUG, "GET", url, headers={"salad-api-key": api_key})


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"items": [...]} to one offer per class and priority."""
    harvest = wire.Harvest(SLUG, fetched_at)
    for kind in harvest.read(GpuClass, wire.listed(SLUG, payload, "items")):
        harvest.each(Price, list(kind.prices), partial(_offers, kind, harvest.fetched_at))
    return harvest.offers()


def _offers(kind: GpuClass, fetched_at: datetime, price: Price) -> Iterable[Offer]:
    gpus = wire.gpu_number(kind.gpu_count or 1)
    gpu = describe(kind.name)
    stated = (f"priority-{price.priority.lower()}", *((kind.gpu_class_type,) if kind.gpu_class_type else ()))
    yield Offer(
        offer_id=offer_id_of(SLUG, kind.id, price.priority),
        provider=SLUG,
        provider_offer_id=f"{kind.id}/{price.priority}",
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        interconnect=gpu.form,
        **wire.priced(price.price, gpus=gpus),
        spot=True,
        **_availability(kind.is_high_demand),
        compliance_tags=tags(SLUG, stated),
        fetched_at=fetched_at,
    )


def _availability(high_demand: bool | None) -> dict[str, Any]:
    """High demand is not yet none left."""
    if high_demand:
        return {"availability": Availability.LIMITED, "availability_confidence": 0.4}
    return wire.stock(None if high_demand is None else True, confidence=0.4)
