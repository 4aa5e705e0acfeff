"""Shadeform: some twenty clouds behind one key.

GET /v1/instances/types, X-API-KEY, no pagination. Units: hourly_price integer US cents of the whole instance, GB.
Each type lists its regions with `available`. The offer names the underlying cloud in `provider_offer_id`.
Source: the official OpenAPI document of api.shadeform.ai.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.merging import cloud_slug
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "shadeform"
ORIGIN = "https://api.shadeform.ai"
SOURCE = "GET /v1/instances/types"


class Configuration(wire.Row):
    gpu_type: str
    num_gpus: int
    vram_per_gpu_in_gb: float | None = None
    memory_in_gb: float | None = None
    storage_in_gb: float | None = None
    vcpus: int | None = None
    interconnect: str | None = None
    os_options: tuple[str, ...] = ()


class Place(wire.Row):
    region: str
    available: bool | None = None
    display_name: str | None = None


class InstanceType(wire.Row):
    cloud: str
    shade_instance_type: str
    cloud_instance_type: str | None = None
    hourly_price: Decimal
    deployment_type: str | None = None
    configuration: Configuration
    availability: tuple[Place, ...] = ()


def header(key: Any) -> dict[str, str]:
    return {"x-api-key": str(key)} if key else {}


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(client, SLUG, "GET", f"{base_url}/v1/instances/types", headers=header(key))


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"instance_types": [...]} to one offer per type and region."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "instance_types")
    harvest.each(InstanceType, rows, lambda kind: _offers(kind, harvest.fetched_at))
    return harvest.offers()


def _offers(kind: InstanceType, fetched_at: datetime) -> Iterable[Offer]:
    if kind.configuration.num_gpus == 0:
        return
    for place in kind.availability or (None,):
        yield _offer(kind, place, fetched_at)


def _offer(kind: InstanceType, place: Place | None, fetched_at: datetime) -> Offer:
    shape = kind.configuration
    gpus = wire.gpu_number(shape.num_gpus)
    cost = wire.priced(kind.hourly_price / 100, gpus=gpus)
    gpu = describe(shape.gpu_type, vram_gb=shape.vram_per_gpu_in_gb, form=shape.interconnect)
    native = place.region if place else None
    free = place.available if place else None
    return Offer(
        offer_id=offer_id_of(
            SLUG, kind.cloud, kind.shade_instance_type, kind.cloud_instance_type or "", gpus, native or ""
        ),
        provider=SLUG,
        cloud=cloud_slug(kind.cloud),
        provider_offer_id=f"{kind.cloud}/{kind.cloud_instance_type or kind.shade_instance_type}",
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=shape.vcpus,
        ram_gb=wire.tidy(shape.memory_in_gb),
        disk_gb=wire.tidy(shape.storage_in_gb),
        interconnect=gpu.form,
        region=_region(place),
        native_region=native,
        **cost,
        availability={True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}[free],
        availability_confidence=0.0 if free is None else 0.8,
        compliance_tags=tags(SLUG),
        rentable=native is not None and free is not False,
        launch={
            "cloud": kind.cloud,
            "region": native,
            "shade_instance_type": kind.shade_instance_type,
            "os": shape.os_options[0] if shape.os_options else None,
        },
        fetched_at=fetched_at,
    )


def _region(place: Place | None) -> str | None:
    if place is None:
        return None
    return canonical_region(SLUG, place.region) or canonical_region(SLUG, place.display_name)
