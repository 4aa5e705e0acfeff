"""Hyperbolic: whole shapes, on demand.

GET /v2/on-demand/rental-options, bearer key: what can be rented now.
Units: costPerHourCents US cents per hour of the whole option; totalAvailable GPUs; a node's ramGb and storageGb GB.
`normalise` also reads the catalogue that it gives SkyPilot, GET /v2/skypilot/catalog: {"vms": [...]}, Price USD per
hour of the whole instance, sizes GiB; it says nothing of availability.
The SSH key is the account's and opens all its machines: listed, not rented (docs/rentals.md).
Source: SkyPilot's client for the catalogue, sure; recent clients (hyperbolic's MCP server and others) for the options:
the fields are theirs, and no document of the provider was seen.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "hyperbolic"
ORIGIN = "https://api.hyperbolic.xyz"
SOURCE = "GET /v2/on-demand/rental-options"
CATALOG_SOURCE = "GET /v2/skypilot/catalog"


class Node(wire.Row):
    vcpuCount: float | None = None  # noqa: N815  (the wire's own names, here and below)
    ramGb: float | None = None  # noqa: N815
    storageGb: float | None = None  # noqa: N815
    gpuCount: int | None = None  # noqa: N815


class Option(wire.Row):
    gpuType: str  # noqa: N815
    gpuFormFactor: str | None = None  # noqa: N815
    gpuCount: int  # noqa: N815
    region: str | None = None
    machineType: str | None = None  # noqa: N815
    connectionType: str | None = None  # noqa: N815
    costPerHourCents: Decimal  # noqa: N815
    totalAvailable: int | None = None  # noqa: N815
    enabled: bool | None = None
    nodes: tuple[Node, ...] = ()


class Vm(wire.Row):
    InstanceType: str
    AcceleratorName: str
    AcceleratorCount: float
    vCPUs: float | None = None  # noqa: N815
    MemoryGiB: float | None = None
    StorageGiB: float | None = None
    Price: Decimal | None = None
    Region: str | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(client, SLUG, "GET", f"{base_url}/v2/on-demand/rental-options", headers=asking.bearer(key))


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """The list of rental options, or {"vms": [...]} of the catalogue."""
    harvest = wire.Harvest(SLUG, fetched_at)
    if isinstance(payload, list):
        harvest.each(Option, payload, lambda option: _of_option(option, harvest.fetched_at))
    else:
        harvest.each(Vm, wire.member(SLUG, payload, "vms"), lambda vm: _of_vm(vm, harvest.fetched_at))
    return harvest.offers()


def _of_option(option: Option, fetched_at: datetime) -> Iterable[Offer]:
    gpus = wire.gpu_number(option.gpuCount)
    gpu = describe(option.gpuType, form=option.gpuFormFactor)
    # Nodes describe the option only when they add up to it.
    nodes = option.nodes if sum(node.gpuCount or 0 for node in option.nodes) == gpus else ()
    free = None if option.totalAvailable is None else option.totalAvailable >= gpus
    free = False if option.enabled is False else free
    yield Offer(
        offer_id=offer_id_of(
            SLUG,
            option.gpuType,
            option.gpuFormFactor or "",
            gpus,
            option.region or "",
            option.machineType or "",
            option.connectionType or "",
        ),
        provider=SLUG,
        provider_offer_id=f"{gpus}x {option.gpuType} {option.machineType or ''}".rstrip(),
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(sum(node.vcpuCount or 0 for node in nodes) or None),
        ram_gb=wire.tidy(sum(node.ramGb or 0 for node in nodes) or None),
        disk_gb=wire.tidy(sum(node.storageGb or 0 for node in nodes) or None),
        interconnect=gpu.form,
        region=canonical_region(SLUG, option.region),
        native_region=option.region,
        **wire.priced(option.costPerHourCents / 100, gpus=gpus),
        **wire.stock(free),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )


def _of_vm(vm: Vm, fetched_at: datetime) -> Iterable[Offer]:
    if not vm.AcceleratorCount:
        return
    gpus = wire.gpu_number(int(vm.AcceleratorCount))
    gpu = describe(vm.AcceleratorName)
    yield Offer(
        offer_id=offer_id_of(SLUG, vm.InstanceType, vm.Region or ""),
        provider=SLUG,
        provider_offer_id=vm.InstanceType,
        source=CATALOG_SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(vm.vCPUs),
        ram_gb=wire.tidy(vm.MemoryGiB),
        disk_gb=wire.tidy(vm.StorageGiB),
        interconnect=gpu.form,
        region=canonical_region(SLUG, vm.Region),
        native_region=vm.Region,
        **wire.priced(vm.Price, gpus=gpus),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
