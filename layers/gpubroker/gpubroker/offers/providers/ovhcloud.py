"""OVHcloud Public Cloud: GPU instances of the order catalogue, with no place and no capacity. Public, no key.

GET /1.0/order/catalog/public/cloud?ovhSubsidiary=FR: one answer of about 8 MB with every product. The subsidiary fixes
the currency (`locale.currencyCode`); the US one is another company with another host and a smaller list.
Units: pricings[].price in 1e-8 of that currency, for an hour where the plan's code ends in ".consumption" (the other
plans are by the month); it must agree with formattedPrice to the cent where that is told. memory.size GB, of a GPU's
that of one. Left out: AI services, which are priced by the minute and carry a GPU too (another `brick`), Windows
("win-"), local zones ("LZ") and what costs nothing. What is "coming_soon" has a price and cannot be had.
The names below `blobs` are those that OVH's own manager reads; which regions sell a flavor only the API with a project
and signed calls says, so that is not told here.
Source: SpareCores/sc-crawler vendors/_ovh.py, tdr2d/ovh_pricelist, ovh/manager.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.rates import DATED, Rates

SLUG = "ovhcloud"
ORIGIN = "https://eu.api.ovh.com"
SOURCE = "GET /1.0/order/catalog/public/cloud?ovhSubsidiary=FR"

_UNITS = Decimal(10**8)
_HOURLY = ".consumption"
_SHOWN = re.compile(r"[^0-9]*([0-9]+)(?:[.,]([0-9]{2}))?[^0-9]*")


class Pricing(wire.Row):
    price: int
    formattedPrice: str | None = None  # noqa: N815  (the wire's own names, here and below)


class Size(wire.Row):
    size: float | None = None


class Cpu(wire.Row):
    cores: float | None = None


class Gpu(wire.Row):
    model: str
    number: int
    memory: Size = Size()


class Technical(wire.Row):
    gpu: Gpu
    cpu: Cpu = Cpu()
    memory: Size = Size()


class Blobs(wire.Row):
    technical: Technical
    tags: tuple[str, ...] | None = None


class Addon(wire.Row):
    planCode: str  # noqa: N815
    pricings: tuple[Pricing, ...]
    blobs: Blobs


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    url = f"{base_url}/1.0/order/catalog/public/cloud"
    return await asking.ask(client, SLUG, "GET", url, params={"ovhSubsidiary": "FR"}, max_body=asking.MAX_BODY)


def normalise(payload: Any, *, fetched_at: datetime | float | str, rates: Rates = DATED) -> wire.Offers:
    """The catalogue to one offer per GPU flavor that is billed by the hour."""
    harvest = wire.Harvest(SLUG, fetched_at)
    addons = wire.member(SLUG, payload, "addons")
    currency = str((payload.get("locale") or {}).get("currencyCode") or "EUR")
    rows = [row for row in addons if _sold_by_the_hour(row)] if isinstance(addons, list) else addons
    harvest.each(Addon, rows, lambda addon: _offers(addon, currency, rates, harvest.fetched_at))
    return harvest.offers()


def _sold_by_the_hour(row: Any) -> bool:
    """Whether it is a GPU instance by the hour; what is no row at all is passed on to be counted."""
    if not isinstance(row, Mapping):
        return True
    code, blobs = str(row.get("planCode")), row.get("blobs") or {}
    return (
        code.endswith(_HOURLY)
        and not code.startswith("win-")
        and "LZ" not in code
        and (blobs.get("commercial") or {}).get("brick", "gpu") == "gpu"
        and bool((blobs.get("technical") or {}).get("gpu"))
    )


def _offers(addon: Addon, currency: str, rates: Rates, fetched_at: datetime) -> Iterable[Offer]:
    machine = addon.blobs.technical
    gpus = wire.gpu_number(machine.gpu.number)
    if len(addon.pricings) != 1:
        raise wire.Refused("pricings")
    hourly = _hourly(addon.pricings[0])
    if hourly == 0:
        return
    cost = wire.priced(hourly, gpus=gpus, currency=currency, rates=rates)
    gpu = describe(machine.gpu.model, vram_gb=machine.gpu.memory.size)
    name = addon.planCode.removesuffix(_HOURLY)
    coming = "coming_soon" in (addon.blobs.tags or ())
    yield Offer(
        offer_id=offer_id_of(SLUG, name),
        provider=SLUG,
        provider_offer_id=name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(machine.cpu.cores),
        ram_gb=wire.tidy(machine.memory.size),
        interconnect=gpu.form,
        **cost,
        availability=Availability.UNAVAILABLE if coming else Availability.UNKNOWN,
        availability_confidence=1.0 if coming else 0.0,
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )


def _hourly(pricing: Pricing) -> Decimal:
    """The price in the catalogue's currency. Raises Refused where it is not the one that the catalogue shows."""
    exact = Decimal(pricing.price) / _UNITS
    shown = _SHOWN.fullmatch(pricing.formattedPrice or "")
    if shown and abs(exact - Decimal(f"{shown[1]}.{shown[2] or '00'}")) > Decimal("0.0051"):
        raise wire.Refused("price")
    return exact
