"""Akash Network: GPUs of many hosts, each lease won in an auction.

GET /v1/gpu-prices of the Console API, without a key. Units: price.* USD per hour of one GPU, as its hosts bid; `min` is
the cheapest bid of the moment and null where nobody bids, which leaves the model listed without a price. `ram` is text
("80Gi"). There is no region, and what a lease costs is known only after its bids. A GPU's cores and memory are part of
the order, so none are listed.
Source: akash-network/console apps/api/swagger/openapi.json; the production host is a careful guess.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of

SLUG = "akash"
ORIGIN = "https://console-api.akash.network"
SOURCE = "GET /v1/gpu-prices"

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]?)i?")
_GB = {"": 1.0, "M": 1 / 1024, "G": 1.0, "T": 1024.0}


class Bids(wire.Row):
    currency: str | None = None
    min: Decimal | None = None
    med: Decimal | None = None
    weightedAverage: Decimal | None = None  # noqa: N815  (the wire's own name)
    avg: Decimal | None = None


class Count(wire.Row):
    total: int | None = None
    available: int | None = None


class Model(wire.Row):
    vendor: str | None = None
    model: str
    ram: str | None = None
    interface: str | None = None
    availability: Count = Count()
    price: Bids | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """The same answer for everybody: `key` is not used."""
    del key
    return await asking.ask(client, SLUG, "GET", f"{base_url}/v1/gpu-prices")


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"models": [...]} to one offer per model, memory and interface."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Model, wire.listed(SLUG, payload, "models"), lambda one: _offers(one, harvest.fetched_at))
    return harvest.offers()


def _offers(model: Model, fetched_at: datetime) -> Iterable[Offer]:
    size = _SIZE.match(model.ram or "")
    gpu = describe(
        model.model, vram_gb=float(size.group(1)) * _GB[size.group(2)] if size else None, form=model.interface
    )
    free = model.availability.available
    yield Offer(
        offer_id=offer_id_of(SLUG, model.vendor or "", model.model, model.ram or "", model.interface or ""),
        provider=SLUG,
        provider_offer_id="/".join(part for part in (model.vendor, model.model, model.ram, model.interface) if part),
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=1,
        vram_gb_per_gpu=gpu.vram_gb,
        interconnect=gpu.form,
        **_cost(model.price),
        **wire.stock(None if free is None else free > 0, confidence=0.5),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )


def _cost(bids: Bids | None) -> dict[str, Any]:
    told = (bids.min, bids.med, bids.weightedAverage, bids.avg) if bids else ()
    lowest = next((price for price in told if price is not None), None)
    if bids is None or lowest is None:
        return wire.UNPRICED
    if (bids.currency or "USD").upper() != "USD":
        raise wire.Refused("currency")
    return wire.priced(lowest, gpus=1)
