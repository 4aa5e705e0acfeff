"""Scaleway: server types with GPUs, by zone.

GET /instance/v1/zones/{zone}/products/servers and .../products/servers/availability, header X-Auth-Token, pages of 100
(`page`; the total stands in a header, so a page that is not full is the last). Both answers are objects by type.
Units: hourly_price EUR of the whole server, without VAT; ram and gpu_info.gpu_memory BYTES, the latter of one GPU.
Types at the end of their service cannot be made any more and are left out.
Source: scaleway/scaleway-cli, recorded answers of its instance namespace.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.rates import DATED, Rates
from gpubroker.offers.regions import canonical_region

SLUG = "scaleway"
ORIGIN = "https://api.scaleway.com"
SOURCE = "GET /instance/v1/zones/{zone}/products/servers"

ZONES = (
    "fr-par-1", "fr-par-2", "fr-par-3", "nl-ams-1", "nl-ams-2", "nl-ams-3", "pl-waw-1", "pl-waw-2", "pl-waw-3",
)  # fmt: skip
PAGE = 100
_MOST_PAGES = 10
_GIB = 1024**3

_STOCK = {
    "available": (Availability.AVAILABLE, 0.8),
    "scarce": (Availability.LIMITED, 0.6),
    "shortage": (Availability.UNAVAILABLE, 0.8),
}


class Gpu(wire.Row):
    gpu_name: str
    gpu_memory: float | None = None


class Server(wire.Row):
    name: str
    zone: str | None = None
    stock: str | None = None
    hourly_price: float | None = None
    gpu: int | None = None
    gpu_info: Gpu | None = None
    ncpus: int | None = None
    ram: float | None = None
    end_of_service: bool | None = None


def header(key: Any) -> dict[str, str]:
    """The key is the secret key itself, or an object that has it beside the project that rentals are made in."""
    secret = key.get("secret_key") if isinstance(key, Mapping) else key
    return {"x-auth-token": str(secret)} if secret else {}


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"zones": {zone: {"servers": by type, "availability": by type}}}."""

    async def read(path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for page in range(1, _MOST_PAGES + 1):
            asked = {"page": str(page), "per_page": str(PAGE)}
            answer = await asking.ask(client, SLUG, "GET", base_url + path, headers=header(key), params=asked)
            rows = _by_type(wire.member(SLUG, answer, "servers"))
            found |= rows
            if len(rows) < PAGE:
                return found
        raise errors.UnknownAnswer(SLUG, f"more than {_MOST_PAGES} pages")

    async def zone(name: str) -> dict[str, Any]:
        path = f"/instance/v1/zones/{name}/products/servers"
        servers, availability = await asking.together(read(path), read(f"{path}/availability"))
        return {"servers": servers, "availability": availability}

    return {"zones": await asking.side_by_side(zone, ZONES)}


def _by_type(rows: Any) -> Mapping[str, Any]:
    if not isinstance(rows, Mapping):
        raise errors.UnknownAnswer(SLUG, "servers is no object")
    return rows


def normalise(payload: Any, *, fetched_at: datetime | float | str, rates: Rates = DATED) -> wire.Offers:
    """The answers by zone, or one zone's {"servers": {...}} of which nothing more is known."""
    harvest = wire.Harvest(SLUG, fetched_at)
    zones = {None: payload} if isinstance(payload, Mapping) and "servers" in payload else None
    for zone, told in (zones or _by_type(wire.member(SLUG, payload, "zones"))).items():
        stock = told.get("availability") or {}
        rows = [
            {**row, "name": name, "zone": zone, "stock": (stock.get(name) or {}).get("availability")}
            if isinstance(row, Mapping)
            else row
            for name, row in _by_type(wire.member(SLUG, told, "servers")).items()
        ]
        harvest.each(Server, rows, lambda server: _offers(server, rates, harvest.fetched_at))
    return harvest.offers()


def _offers(server: Server, rates: Rates, fetched_at: datetime) -> Iterable[Offer]:
    if not server.gpu or server.gpu_info is None or server.end_of_service:
        return
    gpus = wire.gpu_number(server.gpu)
    cost = wire.priced(server.hourly_price, gpus=gpus, currency="EUR", rates=rates)
    memory = server.gpu_info.gpu_memory
    gpu = describe(server.gpu_info.gpu_name, vram_gb=memory / _GIB if memory else None)
    availability, confidence = _STOCK.get(server.stock or "", (Availability.UNKNOWN, 0.0))
    yield Offer(
        offer_id=offer_id_of(SLUG, server.name, server.zone or ""),
        provider=SLUG,
        provider_offer_id=server.name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=server.ncpus,
        ram_gb=wire.tidy(server.ram / _GIB) if server.ram else None,
        interconnect=gpu.form,
        region=canonical_region(SLUG, server.zone),
        native_region=server.zone,
        **cost,
        availability=availability,
        availability_confidence=confidence,
        compliance_tags=tags(SLUG),
        rentable=server.zone is not None and availability in (Availability.AVAILABLE, Availability.LIMITED),
        launch={"zone": server.zone, "commercial_type": server.name} if server.zone else {},
        fetched_at=fetched_at,
    )
