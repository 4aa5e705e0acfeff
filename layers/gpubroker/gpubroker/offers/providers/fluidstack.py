"""FluidStack: instance types of an Atlas region with what is free of them. The API tells no price.

GET /api/v1alpha1/instance-types and GET /api/v1alpha1/capacity, bearer token, header X-PROJECT-ID; token and project
(and the region whose host is asked, where it is not the global one) are the key's object.
Units: memory is text ("180Gi"). What a row of /capacity looks like is not verified: a row that names a type and a
number is read, everything else leaves availability unknown.
`normalise` also reads the list of the former marketplace (GET /list_available_configurations: price_per_gpu_hr is the
text of USD per GPU-hour), which had prices.
Source: brevdev/cloud's generated client (Atlas), SkyPilot (the former marketplace).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "fluidstack"
ORIGIN = "https://api.atlas.fluidstack.io"
SOURCE = "GET /api/v1alpha1/instance-types + GET /api/v1alpha1/capacity"
FORMER_SOURCE = "GET /list_available_configurations"
KEY_PARTS = ("api_key", "project")

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]?)i?B?")
_GB = {"": 1.0, "M": 1 / 1024, "G": 1.0, "T": 1024.0}


class InstanceType(wire.Row):
    name: str
    cpu: float | None = None
    memory: str | None = None
    gpuModel: str | None = None  # noqa: N815  (the wire's own names)
    gpuCount: int | None = None  # noqa: N815


class Capacity(wire.Row):
    instanceType: str | None = None  # noqa: N815
    type: str | None = None
    name: str | None = None
    available: float | None = None
    capacity: float | None = None
    count: float | None = None


class Configuration(wire.Row):
    gpu_type: str
    price_per_gpu_hr: Decimal | None = None
    gpu_counts: tuple[int, ...] = (1,)
    regions: tuple[str | dict[str, Any], ...] = ()
    min_cpu_count: float | None = None
    min_memory: float | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """Both answers by endpoint. `key` is {"api_key", "project"} and may name a "region"."""
    token, project = asking.account(SLUG, key, "api_key", "project")
    region = str(key.get("region") or "")
    if region and not _REGION.fullmatch(region):
        raise errors.BadCredentials(SLUG, "region is no name of a region")
    host = f"https://{region}.atlas.fluidstack.io" if region and base_url == ORIGIN else base_url
    headers = {**asking.bearer(token), "x-project-id": project}
    types, capacity = await asking.together(
        asking.ask(client, SLUG, "GET", f"{host}/api/v1alpha1/instance-types", headers=headers),
        asking.ask(client, SLUG, "GET", f"{host}/api/v1alpha1/capacity", headers=headers),
    )
    return {"instance-types": types, "capacity": capacity, "region": region or None}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """Both answers by endpoint or the list of types alone; the former marketplace's list is told by its fields."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.listed(SLUG, payload, "instance-types", "instance_types", "/instance-types")
    if any(isinstance(row, Mapping) and "gpu_type" in row for row in rows):
        harvest.each(Configuration, rows, lambda one: _former(one, harvest.fetched_at))
        return harvest.offers()
    told = payload if isinstance(payload, Mapping) else {}
    free = _free(told.get("capacity", told.get("/capacity")))
    region = told.get("region")
    harvest.each(InstanceType, rows, lambda kind: _offers(kind, free, region, harvest.fetched_at))
    return harvest.offers()


def _free(answer: Any) -> dict[str, float]:
    """How many of each type are free, as far as the answer can be read."""
    found: dict[str, float] = {}
    for raw in answer if isinstance(answer, list) else ():
        try:
            row = Capacity.model_validate(raw)
        except ValueError:
            continue
        kind = row.instanceType or row.type or row.name
        number = next((value for value in (row.available, row.capacity, row.count) if value is not None), None)
        if kind and number is not None:
            found[kind] = number
    return found


def _offers(kind: InstanceType, free: Mapping[str, float], region: str | None, fetched_at: datetime) -> Iterable[Offer]:
    if not kind.gpuModel or not kind.gpuCount:
        return
    gpus = wire.gpu_number(kind.gpuCount)
    gpu = describe(kind.gpuModel)
    size = _SIZE.fullmatch(kind.memory or "")
    number = free.get(kind.name)
    yield Offer(
        offer_id=offer_id_of(SLUG, kind.name, region or ""),
        provider=SLUG,
        provider_offer_id=kind.name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(kind.cpu),
        ram_gb=wire.tidy(float(size.group(1)) * _GB[size.group(2)]) if size else None,
        interconnect=gpu.form,
        region=canonical_region(SLUG, region),
        native_region=region,
        **wire.UNPRICED,
        **wire.stock(None if number is None else number > 0),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )


def _former(one: Configuration, fetched_at: datetime) -> Iterable[Offer]:
    gpu = describe(one.gpu_type)
    names: list[str | None] = [
        str(place.get("id") or place.get("name")) if isinstance(place, dict) else place for place in one.regions
    ]
    for count in one.gpu_counts:
        gpus = wire.gpu_number(count)
        for region in names or [None]:
            yield Offer(
                offer_id=offer_id_of(SLUG, one.gpu_type, gpus, region or ""),
                provider=SLUG,
                provider_offer_id=one.gpu_type,
                source=FORMER_SOURCE,
                gpu_model=gpu.model,
                gpu_count=gpus,
                vram_gb_per_gpu=gpu.vram_gb,
                interconnect=gpu.form,
                region=canonical_region(SLUG, region),
                native_region=region,
                **wire.priced(None if one.price_per_gpu_hr is None else one.price_per_gpu_hr * gpus, gpus=gpus),
                compliance_tags=tags(SLUG),
                fetched_at=fetched_at,
            )
