"""Latitude.sh: bare-metal servers and virtual machines with GPUs, by site.

GET /plans?filter[gpu]=true and GET /plans/virtual_machines, in pages (JSON:API), bearer key.
Units: regions[].pricing.USD.hour USD of the whole server (BRL stands beside it and is not used); specs.gpu.vram_per_gpu
GB of one GPU; memory GB; drives' sizes are text ("3.8 TB"); a CPU's cores are counted per CPU.
A price is a region's, stock is a site's: `locations.in_stock` names the sites that have it, `locations.available` and
`deploys_instantly` the others. A virtual machine's plan names its GPU and not how many: one, unless the name says so.
Source: latitudesh-python-sdk 3.4.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "latitude"
ORIGIN = "https://api.latitude.sh"
SOURCE = "GET /plans"
VM_SOURCE = "GET /plans/virtual_machines"
KEY_PARTS = ("api_key", "project")

_PAGE = 100
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([TG])I?B", re.IGNORECASE)
_COUNT = re.compile(r"(\d+)\s*x\b", re.IGNORECASE)


class Hourly(wire.Row):
    hour: Decimal | None = None


class Pricing(wire.Row):
    USD: Hourly = Hourly()


class Places(wire.Row):
    available: tuple[str, ...] = ()
    in_stock: tuple[str, ...] | None = None


class Region(wire.Row):
    name: str | None = None
    deploys_instantly: tuple[str, ...] | None = None
    available: tuple[str, ...] = ()
    locations: Places = Places()
    stock_level: str | None = None
    pricing: Pricing = Pricing()


class Gpu(wire.Row):
    count: int = 0
    type: str | None = None
    vram_per_gpu: float | None = None
    interconnect: str | None = None


class Cpu(wire.Row):
    cores: float | None = None
    count: float | None = None


class Memory(wire.Row):
    total: float | None = None


class Drive(wire.Row):
    count: float | None = None
    size: str | None = None


class Amount(wire.Row):
    amount: float | None = None
    unit: str | None = None


class Disk(wire.Row):
    size: Amount = Amount()


class Specs(wire.Row):
    """Of a server; where a virtual machine's differ, theirs second."""

    gpu: Gpu | str | None = None
    vram_per_gpu: float | None = None
    cpu: Cpu = Cpu()
    vcpus: float | None = None
    memory: Memory | float | None = None
    drives: tuple[Drive, ...] = ()
    disk: Disk | None = None


class Attributes(wire.Row):
    slug: str
    name: str | None = None
    specs: Specs = Specs()
    regions: tuple[Region, ...] = ()


class Plan(wire.Row):
    attributes: Attributes


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"plans": all pages, "plans/virtual_machines": all pages}. `key` is {"api_key", "project"}."""
    api_key, _ = asking.account(SLUG, key, "api_key", "project")
    headers = asking.bearer(api_key)

    async def rows(path: str, **more: str) -> list[Any]:
        async def page(params: Mapping[str, str]) -> Any:
            asked = {"page[size]": str(_PAGE), "page[number]": "1", **more, **params}
            return await asking.ask(client, SLUG, "GET", f"{base_url}/{path}", headers=headers, params=asked)

        return await asking.numbered_pages(SLUG, page, _rows, "page[number]", size=_PAGE)

    servers, machines = await asking.together(rows("plans", **{"filter[gpu]": "true"}), rows("plans/virtual_machines"))
    return {"plans": {"data": servers}, "plans/virtual_machines": {"data": machines}}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """Both answers by path, or the answer to /plans alone, to one offer per plan and site."""
    harvest = wire.Harvest(SLUG, fetched_at)
    both = isinstance(payload, Mapping) and "data" not in payload
    servers = wire.member(SLUG, payload, "plans", "/plans") if both else payload
    machines = payload.get("plans/virtual_machines") or payload.get("/plans/virtual_machines") if both else None
    for answer, vm in ((servers, False), (machines or [], True)):
        harvest.each(Plan, _rows(answer), partial(_offers, harvest.fetched_at, vm))
    return harvest.offers()


def _rows(answer: Any) -> Any:
    return wire.listed(SLUG, answer, "data")


def _offers(fetched_at: datetime, vm: bool, plan: Plan) -> Iterable[Offer]:
    gpu = _gpu(plan.attributes)
    if gpu is None or not gpu.type:
        return
    for region in plan.attributes.regions:
        for site, free in _sites(region).items():
            yield _offer(plan.attributes, gpu, region, site, free, fetched_at, vm=vm)


def _gpu(plan: Attributes) -> Gpu | None:
    told = plan.specs.gpu
    if not isinstance(told, str):
        return told
    count = _COUNT.search(told) or _COUNT.search(plan.name or "")
    return Gpu(count=int(count.group(1)) if count else 1, type=told, vram_per_gpu=plan.specs.vram_per_gpu)


def _sites(region: Region) -> dict[str, bool | None]:
    """Whether each site has it; under "" when no site is named, as the region's stock level says."""
    here = {*(region.locations.in_stock or ()), *(region.deploys_instantly or ())}
    known = region.locations.in_stock is not None or region.deploys_instantly is not None
    every = sorted({*here, *region.locations.available, *region.available})
    level = None if region.stock_level is None else region.stock_level.lower() != "unavailable"
    if not every:
        return {"": level}
    return {site: (site in here and level is not False) if known else level for site in every}


def _disk(specs: Specs) -> float | None:
    """GB of all drives together."""
    if specs.disk is not None:
        size = specs.disk.size
        return (size.amount or 0) * (1000 if (size.unit or "").upper().startswith("T") else 1) or None
    total = 0.0
    for drive in specs.drives:
        if found := _SIZE.search(drive.size or ""):
            total += float(found.group(1)) * (1000 if found.group(2).upper() == "T" else 1) * (drive.count or 1)
    return total or None


def _offer(
    plan: Attributes,
    told: Gpu,
    region: Region,
    site: str,
    free: bool | None,
    fetched_at: datetime,
    *,
    vm: bool,
) -> Offer:
    gpus = wire.gpu_number(told.count)
    cost = wire.priced(region.pricing.USD.hour, gpus=gpus)
    gpu = describe(told.type or "", vram_gb=told.vram_per_gpu, form=told.interconnect)
    specs = plan.specs
    cores = specs.vcpus or (specs.cpu.cores or 0) * (specs.cpu.count or 1)
    low = free and (region.stock_level or "").lower() == "low"
    return Offer(
        offer_id=offer_id_of(SLUG, plan.slug, site or region.name or "", "vm" if vm else ""),
        provider=SLUG,
        provider_offer_id=plan.slug,
        source=VM_SOURCE if vm else SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(cores or None),
        ram_gb=wire.tidy(specs.memory.total if isinstance(specs.memory, Memory) else specs.memory),
        disk_gb=wire.tidy(_disk(specs)),
        interconnect=gpu.form,
        region=canonical_region(SLUG, site) or canonical_region(SLUG, region.name),
        native_region=site or region.name,
        **cost,
        **({"availability": Availability.LIMITED, "availability_confidence": 0.6} if low else wire.stock(free)),
        compliance_tags=tags(SLUG),
        rentable=vm and bool(site) and free is not False,
        launch={"plan": plan.slug, "site": site} if vm and site else {},
        fetched_at=fetched_at,
    )
