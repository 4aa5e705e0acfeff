"""TensorDock: virtual machines of many hosts, put together from GPUs, cores, memory and disk.

GET /api/v2/locations; this one call takes its credentials as query parameters (api_key, api_token), all others a bearer
token. Units: price_per_hr USD per GPU-hour; per_vcpu_hr, per_gb_ram_hr, per_gb_storage_hr USD per unit and hour: a
machine costs the sum of its parts. What is listed is a machine of 8 cores and 32 GB per GPU (less where the location
has less) with the smallest disk, 100 GB, and no part may lack its price.
Listings are often stale, so availability is worth little: the create is what tells.
Source: acaracappa/cloud-gpu-shopper (a client with contract tests and a log of the provider's bugs).
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, form_of, identify
from gpubroker.offers.offer import HOURS_PER_MONTH, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "tensordock"
ORIGIN = "https://dashboard.tensordock.com"
SOURCE = "GET /api/v2/locations"
KEY_PARTS = ("api_key", "api_token")

DISK_GB = 100
"""The least that a machine is created with, and what the listed prices include."""

_CORES_PER_GPU = 8
_RAM_PER_GPU = 32


class Pricing(wire.Row):
    per_vcpu_hr: Decimal
    per_gb_ram_hr: Decimal
    per_gb_storage_hr: Decimal


class Resources(wire.Row):
    max_vcpus: int | None = None
    max_ram_gb: int | None = None
    max_storage_gb: int | None = None


class Network(wire.Row):
    dedicated_ip_available: bool | None = None


class Gpu(wire.Row):
    v0Name: str  # noqa: N815  (the wire's own name)
    displayName: str | None = None  # noqa: N815
    max_count: int | None = None
    price_per_hr: Decimal
    pricing: Pricing
    resources: Resources = Resources()
    network_features: Network = Network()


class Location(wire.Row):
    id: str
    city: str | None = None
    stateprovince: str | None = None
    country: str | None = None
    gpus: tuple[dict[str, Any], ...] = ()


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """`key` is {"api_key", "api_token"}."""
    api_key, token = asking.account(SLUG, key, "api_key", "api_token")
    params = {"api_key": api_key, "api_token": token}
    return await asking.ask(client, SLUG, "GET", f"{base_url}/api/v2/locations", params=params)


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"data": {"locations": [{..., "gpus": [...]}]}} to one offer per location, GPU and count."""
    harvest = wire.Harvest(SLUG, fetched_at)
    found = wire.listed(SLUG, payload, "data", "locations")
    for location in harvest.read(Location, wire.listed(SLUG, found, "locations")):
        harvest.each(Gpu, list(location.gpus), partial(_offers, location, harvest.fetched_at))
    return harvest.offers()


def _offers(location: Location, fetched_at: datetime, gpu: Gpu) -> Iterable[Offer]:
    most = gpu.max_count if gpu.max_count is not None else 1
    for gpus in wire.COUNTS:
        if gpus <= max(1, most):
            yield _offer(location, gpu, gpus, fetched_at, free=most > 0)


def _at_most(wanted: int, most: int | None) -> int:
    return wanted if most is None else min(wanted, most)


def _offer(location: Location, gpu: Gpu, gpus: int, fetched_at: datetime, *, free: bool) -> Offer:
    cores = _at_most(_CORES_PER_GPU * gpus, gpu.resources.max_vcpus)
    ram = _at_most(_RAM_PER_GPU * gpus, gpu.resources.max_ram_gb)
    if cores < 1 or ram < 1 or _at_most(DISK_GB, gpu.resources.max_storage_gb) < DISK_GB:
        raise wire.Refused("resources")
    if gpu.price_per_hr <= 0:
        raise wire.Refused("price")  # the other parts would hide it
    pricing = gpu.pricing
    if min(pricing.per_vcpu_hr, pricing.per_gb_ram_hr, pricing.per_gb_storage_hr) < 0:
        raise wire.Refused("pricing")
    total = (
        gpu.price_per_hr * gpus
        + pricing.per_vcpu_hr * cores
        + pricing.per_gb_ram_hr * ram
        + pricing.per_gb_storage_hr * DISK_GB
    )
    cost = wire.priced(total, gpus=gpus)
    named = identify(gpu.displayName or gpu.v0Name)
    model = describe(gpu.displayName or gpu.v0Name, vram_gb=named.vram_gb or identify(gpu.v0Name).vram_gb)
    near = ", ".join(part for part in (location.city, location.stateprovince) if part)
    place = ", ".join(part for part in (near, location.country) if part)
    return Offer(
        offer_id=offer_id_of(SLUG, location.id, gpu.v0Name, gpus),
        provider=SLUG,
        provider_offer_id=f"{location.id}/{gpu.v0Name}",
        source=SOURCE,
        gpu_model=model.model,
        gpu_count=gpus,
        vram_gb_per_gpu=model.vram_gb,
        vcpus=cores,
        ram_gb=ram,
        disk_gb=DISK_GB,
        interconnect=model.form or form_of(gpu.v0Name, model.model),
        region=canonical_region(SLUG, near) or canonical_region(SLUG, location.country),
        native_region=place or location.id,
        **cost,
        **wire.stock(free, confidence=0.3),
        compliance_tags=tags(SLUG),
        # Without an address of its own nobody could reach it: asked-for port forwards are ignored.
        rentable=free and gpu.network_features.dedicated_ip_available is not False,
        launch={
            "location_id": location.id,
            "gpu": gpu.v0Name,
            "gpus": gpus,
            "vcpus": cores,
            "ram_gb": ram,
            "storage_cost": format(pricing.per_gb_storage_hr * HOURS_PER_MONTH, "f"),
            "storage_gb": DISK_GB,
        },
        fetched_at=fetched_at,
    )
