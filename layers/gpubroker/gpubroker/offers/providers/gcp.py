"""Google Cloud: machine types with GPUs at the sum of their parts' prices, by region, on demand and spot.

GET /v1/services/6F81-5844-456A/skus (Compute Engine) with an API key; pages of 5,000 by nextPageToken, asked for the
fields that are read only (`fields`), since a whole page is over 5 MB.
Units: unitPrice is whole `units` (text) and 1e-9 `nanos` of USD, per hour of one core, GiB of RAM or GPU, and per month
(730 hours) of a GiB of local SSD. A machine costs cores + RAM + GPUs + its fixed local SSD; where one of the parts has
no price in a region, the machine is not sold there. One price alone is no machine's (skypilot-catalog#31).
Which machine has what is from the table in `gcp_machines.py`. Capacity is not said.
Source: dstackai/gpuhunt providers/gcp.py, cloud.google.com/billing/docs/reference/rest/v1/services.skus.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.providers.gcp_machines import AS_OF, MACHINES, Machine
from gpubroker.offers.regions import canonical_region

SLUG = "gcp"
ORIGIN = "https://cloudbilling.googleapis.com"
SOURCE = f"GET /v1/services/6F81-5844-456A/skus + machine types as of {AS_OF}"

PAGE = 5000
HOURS_PER_MONTH = 730
_FIELDS = (
    "nextPageToken,skus(description,category(resourceFamily,usageType),serviceRegions,"
    "pricingInfo/pricingExpression(usageUnit,tieredRates/unitPrice))"
)

_PART = re.compile(
    r"(?:Spot Preemptible )?(?P<what>.+?)(?: Predefined)?(?: Instance)? (?P<kind>GPU|Core|Ram)"
    r"(?: attached to Spot Preemptible VMs)? running in .+",
    re.IGNORECASE,
)
_SSD = "SSD backed Local Storage"
_OTHER_PRODUCTS = (
    "Commitment", "Custom", "DWS", "Extended", "Premium", "Reserved", "Sole Tenancy", "Virtual Workstation",
    "suspended",
)  # fmt: skip
_UNITS = {"h": Decimal(1), "GiBy.h": Decimal(1), "GiBy.mo": Decimal(1) / HOURS_PER_MONTH}
_MADE_OF = {(one.family, kind) for one in MACHINES for kind in ("core", "ram")} | {
    (one.part, "gpu") for one in MACHINES
}

Prices = dict[tuple[str, str, str, bool], Decimal]
"""USD per hour of one unit, by (what, kind, region, spot)."""


class UnitPrice(wire.Row):
    units: int = 0
    nanos: int = 0


class Tier(wire.Row):
    unitPrice: UnitPrice  # noqa: N815  (the wire's own names, here and below)


class Expression(wire.Row):
    usageUnit: str  # noqa: N815
    tieredRates: tuple[Tier, ...]  # noqa: N815


class Pricing(wire.Row):
    pricingExpression: Expression  # noqa: N815


class Category(wire.Row):
    usageType: str  # noqa: N815


class Sku(wire.Row):
    description: str
    category: Category
    serviceRegions: tuple[str, ...]  # noqa: N815
    pricingInfo: tuple[Pricing, ...]  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"skus": of all pages}: those of GPUs, their hosts and local SSD, and nothing of the other 25,000."""
    headers = {"x-goog-api-key": str(key)} if key else {}

    async def page(params: Mapping[str, str]) -> Any:
        asked = {"pageSize": str(PAGE), "fields": _FIELDS, **params}
        url = f"{base_url}/v1/services/6F81-5844-456A/skus"
        return await asking.ask(client, SLUG, "GET", url, headers=headers, params=asked, reason=_reason)

    def following(answer: Any, read: int) -> dict[str, str] | None:
        token = answer.get("nextPageToken")
        return {"pageToken": str(token)} if token else None

    rows = await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "skus"), following, most=20)
    return {"skus": [row for row in rows if not isinstance(row, Mapping) or _part_of(row.get("description"))]}


def _reason(body: bytes) -> errors.ProviderError | None:
    """A key that is none is answered with 400 and this word."""
    return errors.BadCredentials(SLUG, "API_KEY_INVALID") if b"API_KEY_INVALID" in body else None


def _part_of(description: object) -> tuple[str, str] | None:
    """(what, kind) of a part of one of our machines: ("nvidia l4", "gpu"), ("a2", "ram"); None for all else."""
    if not isinstance(description, str) or any(word in description for word in _OTHER_PRODUCTS):
        return None
    if description.startswith(_SSD):
        return "", "ssd"
    found = _PART.fullmatch(description)
    part = (found["what"].lower(), found["kind"].lower()) if found else None
    return part if part in _MADE_OF else None


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"skus": [...]} to one offer per machine type and region, on demand and spot, where all its parts are priced."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "skus")
    if isinstance(rows, list):
        rows = [row for row in rows if not isinstance(row, Mapping) or _part_of(row.get("description"))]
    prices: Prices = {}
    for sku in harvest.read(Sku, rows):
        try:
            _add(prices, sku)
        except wire.Refused as refused:
            harvest.skip(str(refused))
    regions = sorted({(region, spot) for what, kind, region, spot in prices if kind == "gpu"})
    for machine in MACHINES:
        for region, spot in regions:
            if (machine.on_demand or spot) and (hourly := _sum(machine, prices, region, spot)) is not None:
                _offer(harvest, machine, region, hourly, spot=spot)
    return harvest.offers()


def _add(prices: Prices, sku: Sku) -> None:
    part = _part_of(sku.description)
    if part is None or sku.category.usageType not in ("OnDemand", "Preemptible") or not sku.pricingInfo:
        return
    expression = sku.pricingInfo[0].pricingExpression
    if expression.usageUnit not in _UNITS or not expression.tieredRates:
        raise wire.Refused("usageUnit")
    told = expression.tieredRates[-1].unitPrice  # a free first tier comes before the price
    if told.units < 0 or not 0 <= told.nanos < 10**9 or told.units + told.nanos == 0:
        raise wire.Refused("price")
    usd = (told.units + Decimal(told.nanos) / 10**9) * _UNITS[expression.usageUnit]
    spot = sku.category.usageType == "Preemptible"
    for region in sku.serviceRegions:
        if prices.setdefault((*part, region, spot), usd) != usd:
            raise wire.Refused("two prices of one part")


def _sum(machine: Machine, prices: Prices, region: str, spot: bool) -> Decimal | None:
    """USD per hour of the machine; None where a part of it has no price."""
    parts = [
        (machine.family, "core", Decimal(machine.vcpus)),
        (machine.family, "ram", Decimal(str(machine.ram_gb))),
        (machine.part, "gpu", Decimal(machine.gpus)),
        *([("", "ssd", Decimal(machine.ssd_gib))] if machine.ssd_gib else []),
    ]
    total = Decimal(0)
    for what, kind, amount in parts:
        each = prices.get((what, kind, region, spot))
        if each is None:
            return None
        total += each * amount
    return total


def _offer(harvest: wire.Harvest, machine: Machine, region: str, hourly: Decimal, *, spot: bool) -> None:
    try:
        cost = wire.priced(hourly, gpus=machine.gpus)
    except wire.Refused as refused:
        harvest.skip(str(refused))
        return
    harvest.add(
        Offer(
            offer_id=offer_id_of(SLUG, machine.name, region, "spot" if spot else ""),
            provider=SLUG,
            provider_offer_id=machine.name,
            source=SOURCE,
            gpu_model=machine.gpu,
            gpu_count=machine.gpus,
            vram_gb_per_gpu=machine.vram_gb,
            vcpus=machine.vcpus,
            ram_gb=wire.tidy(machine.ram_gb),
            disk_gb=machine.ssd_gib or None,
            interconnect=machine.form,
            region=canonical_region(SLUG, region),
            native_region=region,
            **cost,
            spot=spot,
            compliance_tags=tags(SLUG),
            fetched_at=harvest.fetched_at,
        )
    )
