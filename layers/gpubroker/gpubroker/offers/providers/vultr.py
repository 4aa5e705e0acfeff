"""Vultr: cloud plans and bare metal with GPUs, by region. Public, no key.

GET /v2/plans?type=vcg and GET /v2/plans-metal, pages of 500 by cursor (`meta.links.next`), then for each region that
sells one GET /v2/regions/{id}/availability. Clients keep to 2 requests a second; 30 per address are said to be allowed.
Units: hourly_cost USD of the whole plan (bare metal without one: monthly_cost / 730, as Vultr's own pages divide); ram
MB; disk GB; gpu_vram_gb the TOTAL of the plan, or a slice of one GPU, which is one GPU with that much memory. Bare
metal has no fields for its GPUs: they are in the plan's id, and their memory is that of the model in `gpus.py`.
Source: vultr/govultr, dstackai/gpuhunt providers/vultr.py.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import Identified, describe, sold_with
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "vultr"
ORIGIN = "https://api.vultr.com"
SOURCE = "GET /v2/plans, /v2/plans-metal"

PAGE = 500
HOURS_PER_MONTH = 730
_SIDE_BY_SIDE = 8

_METAL = re.compile(r"vbm-.*?(?:-(?P<count>\d+))?-(?P<gpu>[a-z0-9]+)-gpu$")
# What the ids of bare metal say of GPUs with two sizes or a longer name; all nodes of eight are HGX boards.
_METAL_GPUS = {
    "l40": ("L40S", 48, "PCIe"),
    "a100": ("A100", 80, None),
    "gh200": ("GH200", 96, None),
    "h100": ("H100", 80, "SXM5"),
}


class Plan(wire.Row):
    id: str
    hourly_cost: float | None = None
    monthly_cost: float | None = None
    vcpu_count: int | None = None
    cpu_threads: int | None = None
    ram: float | None = None
    disk: float | None = None
    disk_count: int | None = None
    gpu_vram_gb: float | None = None
    gpu_type: str | None = None
    locations: tuple[str, ...] = ()


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"plans", "plans_metal": of all pages, "availability": {region: plan ids}}."""

    async def read(path: str, name: str, **asked: str) -> list[Any]:
        async def page(params: Mapping[str, str]) -> Any:
            wanted = {"per_page": str(PAGE), **asked, **params}
            return await asking.ask(client, SLUG, "GET", base_url + path, headers=asking.bearer(key), params=wanted)

        def following(answer: Any, read: int) -> dict[str, str] | None:
            cursor = ((answer.get("meta") or {}).get("links") or {}).get("next")
            return {"cursor": str(cursor)} if cursor else None

        return await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, name), following)

    async def free(region: str) -> Any:
        path = f"{base_url}/v2/regions/{region}/availability"
        answer = await asking.ask(client, SLUG, "GET", path, headers=asking.bearer(key))
        return wire.member(SLUG, answer, "available_plans")

    plans, metal = await asking.together(read("/v2/plans", "plans", type="vcg"), read("/v2/plans-metal", "plans_metal"))
    places = {place for row in (*plans, *(one for one in metal if _has_gpus(one))) for place in _places(row)}
    stock = await asking.side_by_side(free, sorted(places), at_most=_SIDE_BY_SIDE)
    return {"plans": plans, "plans_metal": metal, "availability": stock}


def _has_gpus(row: Any) -> bool:
    return isinstance(row, Mapping) and str(row.get("id", "")).endswith("-gpu")


def _places(row: Any) -> list[str]:
    """The regions of a plan that are names: what goes into a path is no more than a word."""
    places = row.get("locations") if isinstance(row, Mapping) else None
    return [one for one in places or () if isinstance(one, str) and one.isalnum() and one.isascii()]


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """The answers by name; {"plans"} or {"plans_metal"} alone are taken too, and nothing is known of stock then."""
    harvest = wire.Harvest(SLUG, fetched_at)
    wire.member(SLUG, payload, "plans", "plans_metal")
    stock = {place: frozenset(plans) for place, plans in (payload.get("availability") or {}).items()}
    for name, gpus_of in (("plans", _cloud_gpus), ("plans_metal", _metal_gpus)):
        offers_of = partial(_offers, gpus_of=gpus_of, stock=stock, fetched_at=harvest.fetched_at)
        harvest.each(Plan, payload.get(name, []), offers_of)
    return harvest.offers()


def _offers(
    plan: Plan,
    *,
    gpus_of: Callable[[Plan], tuple[int, Identified] | None],
    stock: Mapping[str, frozenset[str]],
    fetched_at: datetime,
) -> Iterable[Offer]:
    made = gpus_of(plan)
    if made is None:
        return
    count, gpu = made
    gpus = wire.gpu_number(count)
    hourly: float | Decimal | None = plan.hourly_cost
    if hourly is None and plan.monthly_cost is not None:
        hourly = (wire.amount(plan.monthly_cost) or Decimal(0)) / HOURS_PER_MONTH
    cost = wire.priced(hourly, gpus=gpus)
    for place in plan.locations or (None,):
        free = None if place else False
        if place is not None and place in stock:
            free = plan.id in stock[place]
        yield Offer(
            offer_id=offer_id_of(SLUG, plan.id, place or ""),
            provider=SLUG,
            provider_offer_id=plan.id,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=plan.vcpu_count or plan.cpu_threads,
            ram_gb=wire.tidy(plan.ram / 1024) if plan.ram else None,
            disk_gb=wire.tidy(plan.disk * (plan.disk_count or 1)) if plan.disk else None,
            interconnect=gpu.form,
            region=canonical_region(SLUG, place),
            native_region=place,
            **cost,
            availability={True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}[
                free
            ],
            availability_confidence=0.0 if free is None else 0.8,
            compliance_tags=tags(SLUG),
            rentable=gpus_of is _cloud_gpus and place is not None and free is not False,
            launch={"plan": plan.id, "region": place} if place else {},
            fetched_at=fetched_at,
        )


def _cloud_gpus(plan: Plan) -> tuple[int, Identified] | None:
    """How many and which: the total memory divided by that of one; a slice is one GPU with less."""
    if not plan.gpu_type:
        return None
    model = describe(plan.gpu_type).model
    total = plan.gpu_vram_gb
    one = sold_with(model) or (80 if model in ("A100", "H100") else None)
    count = max(1, round(total / one)) if total and one else 1
    return count, describe(plan.gpu_type, vram_gb=total / count if total else None)


def _metal_gpus(plan: Plan) -> tuple[int, Identified] | None:
    found = _METAL.match(plan.id)
    if found is None:
        return None
    count = int(found["count"] or 1)
    name, vram, form = _METAL_GPUS.get(found["gpu"], (found["gpu"], None, None))
    gpu = describe(name, vram_gb=vram, form=form)
    board = "SXM4" if gpu.model == "A100" and count == 8 else gpu.form
    return count, gpu._replace(vram_gb=gpu.vram_gb or sold_with(gpu.model), form=board)
