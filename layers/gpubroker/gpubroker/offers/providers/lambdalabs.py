"""Lambda Cloud: instance types with the regions that have capacity this moment.

GET /api/v1/instance-types (https://cloud.lambda.ai; cloud.lambdalabs.com is deprecated), 1 request a second.
Units: price_cents_per_hour integer US cents of the whole instance; memory_gib and storage_gib GiB. VRAM stands only in
gpu_description. A type without capacity is offered once, without a region, as unavailable: no region is made up.
Source: Lambda Cloud OpenAPI 1.10.0.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "lambdalabs"
ORIGIN = "https://cloud.lambda.ai"
SOURCE = "GET /api/v1/instance-types"


class Specs(wire.Row):
    vcpus: int | None = None
    memory_gib: float | None = None
    storage_gib: float | None = None
    gpus: int = 0


class InstanceType(wire.Row):
    name: str
    gpu_description: str | None = None
    description: str | None = None
    price_cents_per_hour: int
    specs: Specs


class Region(wire.Row):
    name: str
    description: str | None = None


class Shape(wire.Row):
    instance_type: InstanceType
    regions_with_capacity_available: tuple[Region, ...] = ()


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(client, SLUG, "GET", f"{base_url}/api/v1/instance-types", headers=asking.bearer(key))


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"data": {type name: {...}}} to one offer per type and region with capacity."""
    harvest = wire.Harvest(SLUG, fetched_at)
    types = wire.member(SLUG, payload, "data")
    if not isinstance(types, dict):
        raise errors.UnknownAnswer(SLUG, "data is no object")
    harvest.each(Shape, list(types.values()), lambda shape: _offers(shape, harvest.fetched_at))
    return harvest.offers()


def _offers(shape: Shape, fetched_at: datetime) -> Iterable[Offer]:
    kind = shape.instance_type
    if kind.specs.gpus == 0:
        return  # a CPU-only type is no offer and no mistake
    gpus = wire.gpu_number(kind.specs.gpus)
    gpu = describe(kind.gpu_description or kind.description or kind.name)
    machine: dict[str, Any] = {
        "provider": SLUG,
        "provider_offer_id": kind.name,
        "source": SOURCE,
        "gpu_model": gpu.model,
        "gpu_count": gpus,
        "vram_gb_per_gpu": gpu.vram_gb,
        "vcpus": kind.specs.vcpus,
        "ram_gb": wire.tidy(kind.specs.memory_gib),
        "disk_gb": wire.tidy(kind.specs.storage_gib),
        "interconnect": gpu.form,
        # A quotient of whole cents is the nearest double to it, whose shortest text is the price.
        **wire.priced(kind.price_cents_per_hour / 100, gpus=gpus),
        "compliance_tags": tags(SLUG),
        "fetched_at": fetched_at,
    }
    for region in shape.regions_with_capacity_available:
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.name, region.name),
            region=canonical_region(SLUG, region.name) or canonical_region(SLUG, region.description),
            native_region=region.name,
            availability=Availability.AVAILABLE,
            availability_confidence=0.8,  # a listed capacity is often gone at the launch
            rentable=True,
            launch={"instance_type_name": kind.name, "region_name": region.name},
            **machine,
        )
    if not shape.regions_with_capacity_available:
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.name, ""),
            availability=Availability.UNAVAILABLE,
            availability_confidence=1.0,
            **machine,
        )
