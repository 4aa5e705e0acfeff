"""Hyperstack (NexGen Cloud): flavors by region, joined with a price book by GPU name.

GET /v1/core/flavors and GET /v1/pricebook, header api_key. Units: pricebook `value` USD per GPU-hour (a GPU flavor's
vCPU, RAM and disk are included in it); ram and disk GB (the ephemeral disk comes on top). VRAM stands only in the
name of the GPU.
A flavor whose GPU has no entry in the book cannot be priced and is left out, counted.
Source: NexGenCloud/hyperstack-sdk-python.
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

SLUG = "hyperstack"
ORIGIN = "https://infrahub-api.nexgencloud.com"
SOURCE = "GET /v1/core/flavors + GET /v1/pricebook"


class Flavor(wire.Row):
    id: wire.Id
    name: str
    gpu: str | None = None
    gpu_count: int = 0
    cpu: float | None = None
    ram: float | None = None
    disk: float | None = None
    region_name: str | None = None
    stock_available: bool | None = None


class Price(wire.Row):
    name: str
    value: Decimal


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"flavors": answer, "pricebook": answer}."""
    headers = {"api_key": str(key)} if key else {}
    flavors, book = await asking.together(
        asking.ask(client, SLUG, "GET", f"{base_url}/v1/core/flavors", headers=headers),
        asking.ask(client, SLUG, "GET", f"{base_url}/v1/pricebook", headers=headers),
    )
    return {"flavors": flavors, "pricebook": book}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """A dict of both answers: {"flavors", "pricebook"}; one flavor and one price alone are taken too."""
    harvest = wire.Harvest(SLUG, fetched_at)
    book = _book(wire.member(SLUG, payload, "pricebook", "prices"), harvest)
    rows = _flavors(wire.member(SLUG, payload, "flavors", "core/flavors", "flavor"))
    harvest.each(Flavor, rows, lambda flavor: _offers(flavor, book, harvest.fetched_at))
    return harvest.offers()


def _unwrapped(answer: Any) -> list[Any]:
    """The list of an answer that is the list, has it under `data`, or is one row."""
    rows = answer.get("data", answer) if isinstance(answer, Mapping) else answer
    if isinstance(rows, Mapping):
        rows = [rows]
    if not isinstance(rows, list):
        raise errors.UnknownAnswer(SLUG, "a list was expected")
    return rows


def _flavors(answer: Any) -> list[Any]:
    """Flavors come in groups that name GPU and region once; each flavor gets its group's where it has none."""
    found: list[Any] = []
    for group in _unwrapped(answer):
        if isinstance(group, Mapping) and isinstance(group.get("flavors"), list):
            shared = {name: group[name] for name in ("gpu", "region_name") if group.get(name)}
            found += [{**shared, **_said(row)} if isinstance(row, Mapping) else row for row in group["flavors"]]
        else:
            found.append(group)
    return found


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _book(answer: Any, harvest: wire.Harvest) -> dict[str, Decimal]:
    """USD per hour by resource name. A bad entry is counted and leaves its flavors unpriced."""
    return {entry.name.strip().upper(): entry.value for entry in harvest.read(Price, _unwrapped(answer))}


def _offers(flavor: Flavor, book: Mapping[str, Decimal], fetched_at: datetime) -> Iterable[Offer]:
    if not flavor.gpu or flavor.gpu_count == 0:
        return  # a CPU flavor
    gpus = wire.gpu_number(flavor.gpu_count)
    each_gpu = book.get(flavor.gpu.strip().upper())
    if each_gpu is None:
        raise wire.Refused("no price of this GPU")
    cost = wire.priced(each_gpu * gpus, gpus=gpus)
    gpu = describe(flavor.gpu)
    free = flavor.stock_available
    yield Offer(
        offer_id=offer_id_of(SLUG, flavor.name, flavor.region_name or ""),
        provider=SLUG,
        provider_offer_id=flavor.name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(flavor.cpu),
        ram_gb=wire.tidy(flavor.ram),
        disk_gb=wire.tidy(flavor.disk),
        interconnect=gpu.form,
        region=canonical_region(SLUG, flavor.region_name),
        native_region=flavor.region_name,
        **cost,
        availability={True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}[free],
        availability_confidence=0.0 if free is None else 0.8,
        compliance_tags=tags(SLUG),
        rentable=bool(free) and flavor.region_name is not None,
        launch={"flavor": flavor.name, "region": flavor.region_name} if flavor.region_name else {},
        fetched_at=fetched_at,
    )
