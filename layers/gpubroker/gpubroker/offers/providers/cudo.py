"""CUDO Compute: virtual machines put together from GPUs, cores, memory and disk, in several data centres.

GET /v1/vms/machine-types, without a key. Units: gpuPriceHr, vcpuPriceHr, memoryGibPriceHr, (min)storageGibPriceHr and
ipv4PriceHr are {"value": text} of USD per unit and hour: a machine costs the sum of its parts. What is listed is a
machine of 8 cores and 32 GiB per GPU, within the type's bounds, with 100 GiB of disk and an address.
maxGpuFree is how many GPUs of one host are free. Clients of 2024 get `hostConfigs`, later ones `machineTypes`: the
prices have the same names in both, and a host config that prices only its total is taken at that, for one GPU.
Source: CudoVentures' swagger of 2024, dstackai/gpuhunt; page parameters as in the swagger.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "cudo"
ORIGIN = "https://rest.compute.cudo.org"
SOURCE = "GET /v1/vms/machine-types"

DISK_GB = 100
"""What the listed prices include."""

_PAGE = 200
_CORES_PER_GPU = 8
_RAM_PER_GPU = 32


class Price(wire.Row):
    value: Decimal


class MachineType(wire.Row):
    machineType: str | None = None  # noqa: N815  (the wire's own names, here and below)
    id: str | None = None
    dataCenterId: str | None = None  # noqa: N815
    gpuModel: str | None = None  # noqa: N815
    gpuMemoryGib: float | None = None  # noqa: N815
    gpuPriceHr: Price | None = None  # noqa: N815
    vcpuPriceHr: Price | None = None  # noqa: N815
    memoryGibPriceHr: Price | None = None  # noqa: N815
    storageGibPriceHr: Price | None = None  # noqa: N815
    minStorageGibPriceHr: Price | None = None  # noqa: N815
    ipv4PriceHr: Price | None = None  # noqa: N815
    totalPriceHr: Price | None = None  # noqa: N815
    minVcpuPerGpu: float | None = None  # noqa: N815
    maxVcpuPerGpu: float | None = None  # noqa: N815
    minVcpuPerMemoryGib: float | None = None  # noqa: N815
    maxVcpuPerMemoryGib: float | None = None  # noqa: N815
    maxGpuPerVm: int | None = None  # noqa: N815
    maxGpuFree: int | None = None  # noqa: N815
    countVmAvailable: int | None = None  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"machineTypes": all pages}. Prices are the same for everybody, so no key is sent."""
    del key

    async def page(params: Mapping[str, str]) -> Any:
        asked = {"pageNumber": "1", "pageSize": str(_PAGE), **params}
        return await asking.ask(client, SLUG, "GET", f"{base_url}/v1/vms/machine-types", params=asked)

    return {"machineTypes": await asking.numbered_pages(SLUG, page, _rows, "pageNumber", size=_PAGE)}


def _rows(answer: Any) -> Any:
    return wire.listed(SLUG, answer, "machineTypes", "hostConfigs")


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"machineTypes": [...]} or {"hostConfigs": [...]} to one offer per machine type, data centre and count."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(MachineType, _rows(payload), lambda kind: _offers(kind, harvest.fetched_at))
    return harvest.offers()


def _offers(kind: MachineType, fetched_at: datetime) -> Iterable[Offer]:
    if not kind.gpuModel:
        return
    free = kind.maxGpuFree if kind.maxGpuFree is not None else kind.countVmAvailable
    most = kind.maxGpuPerVm or kind.maxGpuFree or 1
    if kind.gpuPriceHr is None or not _parts(kind):
        most = 1
    for gpus in wire.COUNTS:
        if gpus <= most:
            yield _offer(kind, gpus, None if free is None else free >= gpus, fetched_at)


def _parts(kind: MachineType) -> bool:
    return bool(kind.vcpuPriceHr and kind.memoryGibPriceHr and (kind.storageGibPriceHr or kind.minStorageGibPriceHr))


def _shape(kind: MachineType, gpus: int) -> tuple[int, int]:
    """Cores and GiB of memory: as wished, within what the type allows for that many GPUs and for each other."""
    cores = min(max(_CORES_PER_GPU, kind.minVcpuPerGpu or 0), kind.maxVcpuPerGpu or 10**6) * gpus
    memory = float(_RAM_PER_GPU * gpus)
    if kind.maxVcpuPerMemoryGib:
        memory = max(memory, cores / kind.maxVcpuPerMemoryGib)
    if kind.minVcpuPerMemoryGib:
        memory = min(memory, cores / kind.minVcpuPerMemoryGib)
    return max(1, int(cores)), max(1, int(memory))


def _value(price: Price | None) -> Decimal:
    if price is None:
        return Decimal(0)
    if not price.value.is_finite() or price.value < 0:
        raise wire.Refused("price")
    return price.value


def _offer(kind: MachineType, gpus: int, free: bool | None, fetched_at: datetime) -> Offer:
    name = kind.machineType or kind.id
    if not name:
        raise wire.Refused("machineType")
    cores, memory = _shape(kind, gpus)
    storage = _value(kind.storageGibPriceHr or kind.minStorageGibPriceHr)
    summed = kind.gpuPriceHr is not None and _parts(kind)
    if summed and not _value(kind.gpuPriceHr):
        raise wire.Refused("price")  # a machine whose GPU costs nothing is a mistake that its other parts would hide
    total = (
        _value(kind.gpuPriceHr) * gpus
        + _value(kind.vcpuPriceHr) * cores
        + _value(kind.memoryGibPriceHr) * memory
        + storage * DISK_GB
        + _value(kind.ipv4PriceHr)
        if summed
        else _value(kind.totalPriceHr)
    )
    gpu = describe(kind.gpuModel or "", vram_gb=kind.gpuMemoryGib)
    return Offer(
        offer_id=offer_id_of(SLUG, name, kind.dataCenterId or "", kind.gpuModel or "", gpus),
        provider=SLUG,
        provider_offer_id=name,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=cores if summed else None,
        ram_gb=memory if summed else None,
        disk_gb=DISK_GB if summed else None,
        interconnect=gpu.form,
        region=canonical_region(SLUG, kind.dataCenterId, (kind.dataCenterId or "").partition("-")[0]),
        native_region=kind.dataCenterId,
        **wire.priced(total, gpus=gpus),
        **wire.stock(free),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
