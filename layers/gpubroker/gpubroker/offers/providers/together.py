"""Together AI: hardware of dedicated inference endpoints.

GET /v1/hardware, bearer key. Units: pricing.cents_per_minute US cents per minute of the whole endpoint (x 0.6 = USD per
hour); gpu_memory GB of one GPU. Availability is told only when a model is asked for, so it is unknown here; there is
no region. An endpoint serves a model and is no machine to log in to. GPU clusters have no price in the API.
Source: togethercomputer/openapi.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of

SLUG = "together"
ORIGIN = "https://api.together.ai"
SOURCE = "GET /v1/hardware"

_FREE = {"available": True, "unavailable": False, "insufficient": False}


class Pricing(wire.Row):
    cents_per_minute: Decimal


class Specs(wire.Row):
    gpu_type: str
    gpu_count: int
    gpu_link: str | None = None
    gpu_memory: float | None = None


class Status(wire.Row):
    status: str | None = None


class Hardware(wire.Row):
    id: str
    pricing: Pricing
    specs: Specs
    availability: Status | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(client, SLUG, "GET", f"{base_url}/v1/hardware", headers=asking.bearer(key))


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"data": [...]} to offers."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Hardware, wire.listed(SLUG, payload, "data"), lambda one: _offers(one, harvest.fetched_at))
    return harvest.offers()


def _offers(hardware: Hardware, fetched_at: datetime) -> Iterable[Offer]:
    specs = hardware.specs
    gpus = wire.gpu_number(specs.gpu_count)
    cost = wire.priced(hardware.pricing.cents_per_minute * 60 / 100, gpus=gpus)
    gpu = describe(specs.gpu_type, vram_gb=specs.gpu_memory, form=specs.gpu_link)
    status = (hardware.availability.status if hardware.availability else None) or ""
    yield Offer(
        offer_id=offer_id_of(SLUG, hardware.id),
        provider=SLUG,
        provider_offer_id=hardware.id,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        interconnect=gpu.form,
        **cost,
        **wire.stock(_FREE.get(status.lower())),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
