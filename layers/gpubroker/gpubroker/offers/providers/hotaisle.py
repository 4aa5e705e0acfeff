"""Hot Aisle: MI300X machines in one data centre, as slices of a whole server.

GET /api/teams/{team}/virtual_machines/available/, `Authorization: Token <key>`; the team is part of the key's object.
Units: OnDemandPrice US cents per hour of the whole machine; ram_capacity and disk_capacity bytes. VRAM is not told:
the model has one size. `Quantity` is how many there are; its absence says no more than that the shape is listed.
A create takes no name and the account's keys open every machine: listed, not rented (docs/rentals.md).
Source: dstackai/gpuhunt, dstackai/dstack; Quantity from recorded answers.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, sold_with
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "hotaisle"
ORIGIN = "https://admin.hotaisle.app"
SOURCE = "GET /api/teams/{team}/virtual_machines/available/ + VRAM per model"
REGION = "us-michigan-1"
"""The one place they have; no answer names it."""
KEY_PARTS = ("api_key", "team")

_GIB = 1024**3


class Gpus(wire.Row):
    count: int
    model: str


class Cpus(wire.Row):
    model: str | None = None


class Hardware(wire.Row):
    cpu_cores: float | None = None
    ram_capacity: float | None = None
    disk_capacity: float | None = None
    cpus: Cpus = Cpus()
    gpus: tuple[Gpus, ...] = ()


class Machine(wire.Row):
    OnDemandPrice: Decimal
    Quantity: int | None = None
    Specs: Hardware


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """`key` is {"api_key", "team"}."""
    api_key, team = asking.account(SLUG, key, "api_key", "team")
    url = f"{base_url}/api/teams/{quote(team, safe='')}/virtual_machines/available/"
    return await asking.ask(client, SLUG, "GET", url, headers={"authorization": f"Token {api_key}"})


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """The list of machines that can be had to offers."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Machine, wire.listed(SLUG, payload, "items"), lambda one: _offers(one, harvest.fetched_at))
    return harvest.offers()


def _offers(machine: Machine, fetched_at: datetime) -> Iterable[Offer]:
    specs = machine.Specs
    if not specs.gpus:
        return
    gpus = wire.gpu_number(specs.gpus[0].count)
    gpu = describe(specs.gpus[0].model)
    cost = wire.priced(machine.OnDemandPrice / 100, gpus=gpus)
    free = machine.Quantity is None or machine.Quantity > 0
    name = f"{gpus}x {specs.gpus[0].model} {specs.cpu_cores or 0:g}x {specs.cpus.model or 'CPU'}"
    yield Offer(
        offer_id=offer_id_of(SLUG, name, specs.ram_capacity or 0, specs.disk_capacity or 0),
        provider=SLUG,
        provider_offer_id=name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb or sold_with(gpu.model),
        vcpus=wire.tidy(specs.cpu_cores),
        ram_gb=wire.tidy(specs.ram_capacity / _GIB if specs.ram_capacity else None),
        disk_gb=wire.tidy(specs.disk_capacity / _GIB if specs.disk_capacity else None),
        interconnect=gpu.form,
        region=canonical_region(SLUG, REGION),
        native_region=REGION,
        **cost,
        **wire.stock(free),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
