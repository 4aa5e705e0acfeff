"""JarvisLabs: GPUs by the piece in virtual machines, in India and Europe.

GET /misc/server_meta, bearer key. Units: price_per_hour and spot_price USD per GPU-hour; vram GB of one GPU, as text
("80 GB", "80"); cpus_per_gpu and ram_per_gpu (GB) per GPU. effective_num_free_devices counts free GPUs;
num_free_devices where it is absent. Rows of containers (`workload_type`) are other machines than the VMs listed here,
whose workload_type is "vm" or null. Spot is sold for containers only.
The account's SSH keys open every machine made while they stand there: listed, not rented (docs/rentals.md).
Source: dstackai/gpuhunt, dstackai/dstack, PyPI jarvislabs 0.2.
"""

import re
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

SLUG = "jarvislabs"
ORIGIN = "https://backendn.jarvislabs.net"
SOURCE = "GET /misc/server_meta"

_ONE_GPU_ONLY = frozenset({"europe-01"})
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)")


class Server(wire.Row):
    gpu_type: str
    region: str
    price_per_hour: Decimal | None = None
    spot_price: Decimal | None = None
    vram: str | float | None = None
    cpus_per_gpu: float | str | None = None
    ram_per_gpu: float | str | None = None
    num_gpus: int | str | None = None
    num_free_devices: int | str | None = None
    effective_num_free_devices: int | str | None = None
    spot_num_free_devices: int | str | None = None
    workload_type: str | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    return await asking.ask(client, SLUG, "GET", f"{base_url}/misc/server_meta", headers=asking.bearer(key))


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"server_meta": [...]} to offers: each GPU in each region by 1, 2, 4 and 8, and spot where it has a price."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.listed(SLUG, payload, "server_meta")
    harvest.each(Server, rows, lambda server: _offers(server, harvest.fetched_at))
    return harvest.offers()


def _number(value: object) -> float | None:
    """ "80 GB", "80", 80 and "" are all written for sizes and counts."""
    found = _NUMBER.match(str(value)) if value is not None else None
    return float(found.group(1)) if found else None


def _offers(server: Server, fetched_at: datetime) -> Iterable[Offer]:
    if server.workload_type not in ("vm", None):
        return
    free = _number(server.effective_num_free_devices)
    free = _number(server.num_free_devices) if free is None else free
    most = 1 if server.region in _ONE_GPU_ONLY else _number(server.num_gpus) or 1
    for gpus in (count for count in wire.COUNTS if count <= most):
        yield _offer(server, gpus, server.price_per_hour, free, fetched_at, spot=False)
        if server.spot_price:
            yield _offer(server, gpus, server.spot_price, _number(server.spot_num_free_devices), fetched_at, spot=True)


def _offer(
    server: Server, gpus: int, each: Decimal | None, free: float | None, fetched_at: datetime, *, spot: bool
) -> Offer:
    cost = wire.priced(None if each is None else each * gpus, gpus=gpus)
    gpu = describe(server.gpu_type, vram_gb=_number(server.vram))
    cpus, ram = _number(server.cpus_per_gpu), _number(server.ram_per_gpu)
    return Offer(
        offer_id=offer_id_of(SLUG, server.gpu_type, server.region, gpus, "spot" if spot else ""),
        provider=SLUG,
        provider_offer_id=f"{gpus}x {server.gpu_type}",
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(cpus * gpus if cpus else None),
        ram_gb=wire.tidy(ram * gpus if ram else None),
        interconnect=gpu.form,
        region=canonical_region(SLUG, server.region),
        native_region=server.region,
        **cost,
        spot=spot,
        **wire.stock(None if free is None else free >= gpus),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
