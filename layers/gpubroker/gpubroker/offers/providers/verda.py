"""Verda (formerly DataCrunch): instance types, on demand and spot, by location.

POST /v1/oauth2/token with client credentials, then GET /v1/instance-types, /v1/instance-availability (both kinds) and
/v1/locations. Units: prices are decimal texts of the whole instance, in USD when `currency` says so;
gpu_memory.size_in_gigabytes is the TOTAL over all GPUs. The spot price is `spot_price` in the SDK's answers and
`spot_price_per_hour` in its objects: both are read.
Source: PyPI verda 1.25.0.
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

SLUG = "verda"
ORIGIN = "https://api.verda.com"
SOURCE = "GET /v1/instance-types"
KEY_PARTS = ("client_id", "client_secret")


class Cpu(wire.Row):
    number_of_cores: float | None = None


class Gpu(wire.Row):
    number_of_gpus: int = 0
    description: str | None = None


class Size(wire.Row):
    size_in_gigabytes: float | None = None


class InstanceType(wire.Row):
    instance_type: str
    price_per_hour: Decimal
    spot_price_per_hour: Decimal | None = None
    spot_price: Decimal | None = None
    cpu: Cpu = Cpu()
    gpu: Gpu = Gpu()
    memory: Size = Size()
    gpu_memory: Size = Size()
    model: str | None = None
    currency: str | None = None


class Location(wire.Row):
    code: str
    country_code: str | None = None


class Stock(wire.Row):
    location_code: str
    availabilities: tuple[str, ...] = ()


class Market:
    """Where each type can be had, on demand and spot; None where nothing was said. Bad rows are counted."""

    def __init__(self, harvest: wire.Harvest, on_demand: Any, spot: Any, locations: Any) -> None:
        self.on_demand = _places(harvest, on_demand)
        self.spot = _places(harvest, spot)
        self._countries = {one.code: one.country_code for one in harvest.read(Location, locations or [])}

    def country(self, code: str | None) -> str | None:
        return self._countries.get(code or "")


def _places(harvest: wire.Harvest, rows: Any) -> dict[str, list[str]] | None:
    if rows is None:
        return None
    found: dict[str, list[str]] = {}
    for stock in harvest.read(Stock, rows):
        for kind in stock.availabilities:
            found.setdefault(kind, []).append(stock.location_code)
    return found


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """Answers by endpoint. `key` is {"client_id", "client_secret"}."""
    if not isinstance(key, Mapping) or not key.keys() >= set(KEY_PARTS):
        raise errors.BadCredentials(SLUG, "client_id and client_secret are needed")
    token = await asking.ask(
        client,
        SLUG,
        "POST",
        f"{base_url}/v1/oauth2/token",
        body={
            "grant_type": "client_credentials",
            "client_id": key["client_id"],
            "client_secret": key["client_secret"],
        },
    )
    headers = asking.bearer(wire.member(SLUG, token, "access_token"))

    async def read(path: str, **params: str) -> Any:
        return await asking.ask(client, SLUG, "GET", f"{base_url}/v1/{path}", headers=headers, params=params)

    types, on_demand, spot, locations = await asking.together(
        read("instance-types", currency="usd"),
        read("instance-availability", isSpot="false"),
        read("instance-availability", isSpot="true"),
        read("locations"),
    )
    return {
        "instance-types": types,
        "instance-availability": on_demand,
        "instance-availability-spot": spot,
        "locations": locations,
    }


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """The bare list of types (nothing is known of places then), or a dict of answers by endpoint."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows, market = payload, Market(harvest, None, None, None)
    if isinstance(payload, Mapping):
        rows = wire.member(SLUG, payload, "instance-types", "instance_types", "types")
        market = Market(
            harvest,
            _first(payload, "instance-availability", "instance_availability", "availability"),
            _first(payload, "instance-availability-spot", "instance_availability_spot", "availability-spot"),
            _first(payload, "locations"),
        )
    harvest.each(InstanceType, rows, lambda kind: _offers(kind, market, harvest.fetched_at))
    return harvest.offers()


def _first(payload: Mapping[str, Any], *names: str) -> Any:
    return next((payload[name] for name in names if name in payload), None)


def _offers(kind: InstanceType, market: Market, fetched_at: datetime) -> Iterable[Offer]:
    if kind.gpu.number_of_gpus == 0:
        return
    if (kind.currency or "USD").upper() != "USD":
        raise wire.Refused("currency")
    spot_price = kind.spot_price_per_hour if kind.spot_price_per_hour is not None else kind.spot_price
    for spot, native, places in ((False, kind.price_per_hour, market.on_demand), (True, spot_price, market.spot)):
        if spot and not native:
            continue
        known = places is not None
        for code in (places or {}).get(kind.instance_type) or (None,):
            yield _offer(kind, native, code, market, fetched_at, spot=spot, known=known)


def _offer(
    kind: InstanceType,
    native: Decimal | None,
    code: str | None,
    market: Market,
    fetched_at: datetime,
    *,
    spot: bool,
    known: bool,
) -> Offer:
    gpus = wire.gpu_number(kind.gpu.number_of_gpus)
    cost = wire.priced(native, gpus=gpus)
    total = kind.gpu_memory.size_in_gigabytes
    gpu = describe(kind.model or kind.gpu.description or kind.instance_type, vram_gb=total / gpus if total else None)
    form = gpu.form or describe(kind.gpu.description or "").form
    availability = Availability.AVAILABLE if code else Availability.UNAVAILABLE if known else Availability.UNKNOWN
    return Offer(
        offer_id=offer_id_of(SLUG, kind.instance_type, code or "", "spot" if spot else ""),
        provider=SLUG,
        provider_offer_id=kind.instance_type,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(kind.cpu.number_of_cores),
        ram_gb=wire.tidy(kind.memory.size_in_gigabytes),
        interconnect=form,
        region=canonical_region(SLUG, code, market.country(code)),
        native_region=code,
        **cost,
        spot=spot,
        availability=availability,
        availability_confidence=0.8 if known else 0.0,
        compliance_tags=tags(SLUG),
        rentable=code is not None and not spot,
        launch={"instance_type": kind.instance_type, "location_code": code} if code else {},
        fetched_at=fetched_at,
    )
