"""DigitalOcean: Droplet sizes with GPUs, by region.

GET /v2/sizes in pages of 200 (`links.pages.next`); 5,000 requests an hour and 250 a minute. `regions` are those that
have the size this moment: an empty list, or `available: false`, is a size that is sold out.
Units: price_hourly USD of the whole Droplet; memory MB; disk GB (of the local disk; a scratch disk comes on top);
gpu_info.vram GiB, of one GPU or of all (the document does not say): read as what the model is sold with.
Source: digitalocean/openapi specification/resources/sizes.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, vram_of_one
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "digitalocean"
ORIGIN = "https://api.digitalocean.com"
SOURCE = "GET /v2/sizes"

PAGE = 200


class Vram(wire.Row):
    amount: float | None = None
    unit: str | None = None


class Gpu(wire.Row):
    count: int
    model: str
    vram: Vram = Vram()


class Size(wire.Row):
    slug: str
    price_hourly: float | None = None
    memory: float | None = None
    vcpus: int | None = None
    disk: float | None = None
    regions: tuple[str, ...] = ()
    available: bool | None = None
    gpu_info: Gpu | None = None


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"sizes": of all pages}."""

    async def page(params: Mapping[str, str]) -> Any:
        asked = {"per_page": str(PAGE), "page": "1", **params}
        return await asking.ask(client, SLUG, "GET", f"{base_url}/v2/sizes", headers=asking.bearer(key), params=asked)

    def following(answer: Any, read: int) -> dict[str, str] | None:
        more = ((answer.get("links") or {}).get("pages") or {}).get("next")
        return {"page": str(read // PAGE + 1)} if more else None

    rows = await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "sizes"), following)
    return {"sizes": rows}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"sizes": [...]} to one offer per size with GPUs and region; one without a region where it is sold out."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Size, wire.member(SLUG, payload, "sizes"), lambda size: _offers(size, harvest.fetched_at))
    return harvest.offers()


def _offers(size: Size, fetched_at: datetime) -> Iterable[Offer]:
    if size.gpu_info is None or size.gpu_info.count == 0:
        return
    gpus = wire.gpu_number(size.gpu_info.count)
    cost = wire.priced(size.price_hourly, gpus=gpus)
    said = size.gpu_info.vram.amount if size.gpu_info.vram.unit in (None, "gib") else None
    gpu = describe(size.gpu_info.model, vram_gb=vram_of_one(describe(size.gpu_info.model).model, said, gpus))
    for region in size.regions or (None,):
        free = region is not None and size.available is not False
        yield Offer(
            offer_id=offer_id_of(SLUG, size.slug, region or ""),
            provider=SLUG,
            provider_offer_id=size.slug,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=size.vcpus,
            ram_gb=wire.tidy(size.memory / 1024) if size.memory else None,
            disk_gb=wire.tidy(size.disk),
            interconnect=gpu.form,
            region=canonical_region(SLUG, region),
            native_region=region,
            **cost,
            availability=Availability.AVAILABLE if free else Availability.UNAVAILABLE,
            availability_confidence=0.8,
            compliance_tags=tags(SLUG),
            rentable=free,
            launch={"size": size.slug, "region": region, "image": _image(size.gpu_info)} if region else {},
            fetched_at=fetched_at,
        )


def _image(gpu: Gpu) -> str:
    """The image with drivers that a size of this GPU takes; the names say H100 and are for every NVIDIA GPU."""
    if gpu.model.startswith("amd"):
        return "gpu-amd-base"
    return "gpu-h100x8-base" if gpu.count == 8 else "gpu-h100x1-base"
