"""RunPod: GPU types by cloud (secure, community), data centre and number of GPUs.

Two sources, joined: GET /v2/catalog/gpus (with a key: prices, availability by data centre) and the GraphQL query
gpuTypes (without one: prices of both clouds, the lowest bid, vCPU and RAM). A pod costs gpuCount x price.
Units: prices USD per GPU-hour; memory GB per GPU; minMemory GB of the pod. `lowestPrice` is asked for one GPU under its
own name and for n GPUs under the alias `lowestPrice<n>`: the answer itself does not say its count.
vCPU and RAM change within hours (skypilot#6824), so no identity is made of them. A bid equal to the on-demand price
makes a spot pod dearer than an on-demand one (skypilot#4914), and REST v1 takes no bid: spot is shown, not rented.
Source: runpod/docs api-reference and api-reference-v2, dstackai/gpuhunt providers/runpod.py.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "runpod"
ORIGIN = "https://api.runpod.io"
GRAPHQL = "POST /graphql gpuTypes"
CATALOG = "GET /v2/catalog/gpus"

COUNTS = (1, 2, 4, 8)
CLOUDS = ("SECURE", "COMMUNITY")

_LOWEST = "{minimumBidPrice uninterruptablePrice minVcpu minMemory stockStatus}"
QUERY = (
    "query{gpuTypes{id displayName manufacturer memoryInGb securePrice communityPrice secureCloud communityCloud "
    f"maxGpuCount lowestPrice(input:{{gpuCount:1}}){_LOWEST} "
    + " ".join(f"lowestPrice{n}:lowestPrice(input:{{gpuCount:{n}}}){_LOWEST}" for n in COUNTS[1:])
    + "}}"
)

_LEVELS = {
    "HIGH": (Availability.AVAILABLE, 0.9),
    "MEDIUM": (Availability.AVAILABLE, 0.7),
    "LOW": (Availability.LIMITED, 0.5),
    "NONE": (Availability.UNAVAILABLE, 0.9),
}
_UNSAID = (Availability.UNKNOWN, 0.0)


class Lowest(wire.Row):
    minimumBidPrice: Decimal | None = None  # noqa: N815  (the wire's own names, here and below)
    uninterruptablePrice: Decimal | None = None  # noqa: N815
    minVcpu: int | None = None  # noqa: N815
    minMemory: float | None = None  # noqa: N815
    stockStatus: str | None = None  # noqa: N815


class GpuType(wire.Row):
    """A row of GraphQL's gpuTypes."""

    id: wire.Id
    displayName: str | None = None  # noqa: N815
    memoryInGb: float | None = None  # noqa: N815
    securePrice: Decimal | None = None  # noqa: N815
    communityPrice: Decimal | None = None  # noqa: N815
    secureCloud: bool | None = None  # noqa: N815
    communityCloud: bool | None = None  # noqa: N815
    maxGpuCount: int | None = None  # noqa: N815
    lowestPrice: Lowest | None = None  # noqa: N815
    lowestPrice2: Lowest | None = None  # noqa: N815
    lowestPrice4: Lowest | None = None  # noqa: N815
    lowestPrice8: Lowest | None = None  # noqa: N815

    def lowest(self, count: int) -> Lowest | None:
        found: Lowest | None = getattr(self, "lowestPrice" if count == 1 else f"lowestPrice{count}")
        return found


class ByCloud(wire.Row):
    secure: Decimal | None = None
    community: Decimal | None = None


class CountByCloud(wire.Row):
    secure: int | None = None
    community: int | None = None


class DataCenter(wire.Row):
    id: str
    availability: str | None = None


class CatalogGpu(wire.Row):
    """A row of the v2 catalogue."""

    id: wire.Id
    name: str | None = None
    memory: float | None = None
    secure: bool | None = None
    community: bool | None = None
    price: ByCloud = ByCloud()
    maxCount: CountByCloud = CountByCloud()  # noqa: N815
    availability: str | None = None
    dataCenters: tuple[DataCenter, ...] = ()  # noqa: N815


class Asked(NamedTuple):
    """What a catalogue answer was asked for; cloud None when it is not known."""

    cloud: str | None
    gpus: int


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"graphql": answer} and, with a key, {"catalog": [{"cloud", "count", "answer"}, ...]}, all asked side by side."""
    headers = asking.bearer(key)
    graphql = asking.ask(client, SLUG, "POST", f"{base_url}/graphql", headers=headers, body={"query": QUERY})
    if not key:
        return {"graphql": await graphql}
    asked = [Asked(cloud, count) for cloud in CLOUDS for count in COUNTS]
    prices, *answers = await asking.together(graphql, *(_catalog(client, base_url, headers, one) for one in asked))
    catalog = [
        {"cloud": one.cloud, "count": one.gpus, "answer": answer} for one, answer in zip(asked, answers, strict=True)
    ]
    return {"graphql": prices, "catalog": catalog}


async def _catalog(client: httpx.AsyncClient, base_url: str, headers: Mapping[str, str], asked: Asked) -> Any:
    params = {"include": "AVAILABILITY", "product": "POD", "count": str(asked.gpus), "cloud": str(asked.cloud)}
    return await asking.ask(client, SLUG, "GET", f"{base_url}/v2/catalog/gpus", headers=headers, params=params)


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """A raw GraphQL answer, a raw catalogue answer, or a dict of them: {"graphql", "v2"} or what `fetch_payload` gives.

    The catalogue, which knows data centres, speaks for the on-demand prices of the types that it has.
    """
    harvest = wire.Harvest(SLUG, fetched_at)
    catalogue: list[tuple[Asked, Any]] = []
    graphql: Any = None
    if isinstance(payload, Mapping):
        graphql = payload.get("graphql", payload if "data" in payload or "errors" in payload else None)
        raw = payload.get("v2", payload if "gpus" in payload else None)
        catalogue = [(Asked(None, 1), raw)] if raw is not None else []
        catalogue += [(Asked(one["cloud"], one["count"]), one["answer"]) for one in payload.get("catalog", ())]
    if graphql is None and not catalogue:
        raise errors.UnknownAnswer(SLUG, "neither gpuTypes nor a catalogue in the answer")
    known: set[str] = set()
    for asked, answer in catalogue:
        rows = wire.member(SLUG, answer, "gpus")
        harvest.each(CatalogGpu, rows, partial(_of_catalog, asked=asked, fetched_at=harvest.fetched_at, known=known))
    if graphql is not None:
        harvest.each(GpuType, _gpu_types(graphql), lambda gpu: _of_graphql(gpu, harvest.fetched_at, known))
    return harvest.offers()


def _gpu_types(answer: Any) -> Any:
    """The rows of a GraphQL answer, which is 200 on client errors too, with "errors" in it."""
    if isinstance(answer, Mapping) and answer.get("errors") and not answer.get("data"):
        raise errors.UnknownAnswer(SLUG, "GraphQL errors")
    return wire.member(SLUG, wire.member(SLUG, answer, "data"), "gpuTypes")


def _of_catalog(gpu: CatalogGpu, asked: Asked, fetched_at: datetime, known: set[str]) -> Iterable[Offer]:
    known.add(gpu.id)
    if asked.cloud in (None, "SECURE") and _sold(gpu.secure, gpu.price.secure, gpu.maxCount.secure, asked.gpus):
        places: list[tuple[str | None, str | None]] = [(dc.id, dc.availability) for dc in gpu.dataCenters]
        places = places or [(None, gpu.availability)]
        for data_center, level in places:
            yield _offer(
                gpu.id,
                gpu.name,
                gpu.memory,
                gpu.price.secure,
                asked.gpus,
                fetched_at,
                source=CATALOG,
                tier="secure-cloud",
                data_center=data_center,
                availability=_LEVELS.get((level or "").upper(), _UNSAID),
            )
    community = gpu.price.community
    if asked.cloud in (None, "COMMUNITY") and _sold(gpu.community, community, gpu.maxCount.community, asked.gpus):
        # Asked without a cloud, the figure is the secure cloud's.
        said = _LEVELS.get((gpu.availability or "").upper(), _UNSAID) if asked.cloud else _UNSAID
        yield _offer(
            gpu.id,
            gpu.name,
            gpu.memory,
            community,
            asked.gpus,
            fetched_at,
            source=CATALOG,
            tier="community-cloud",
            availability=said,
        )


def _of_graphql(gpu: GpuType, fetched_at: datetime, known: set[str]) -> Iterable[Offer]:
    for count in COUNTS:
        lowest = gpu.lowest(count)
        if count > 1 and (lowest is None or count > (gpu.maxGpuCount or 1)):
            continue
        vcpus, ram_gb = (lowest.minVcpu, lowest.minMemory) if lowest else (None, None)
        stock = _stock(lowest)
        if gpu.id not in known:
            for tier, sold, each in (
                ("secure-cloud", gpu.secureCloud, gpu.securePrice),
                ("community-cloud", gpu.communityCloud, gpu.communityPrice),
            ):
                if _sold(sold, each, gpu.maxGpuCount, count):
                    yield _offer(
                        gpu.id,
                        gpu.displayName,
                        gpu.memoryInGb,
                        each,
                        count,
                        fetched_at,
                        source=GRAPHQL,
                        tier=tier,
                        availability=stock,
                        vcpus=vcpus,
                        ram_gb=ram_gb,
                    )
        if lowest and lowest.minimumBidPrice is not None and lowest.minimumBidPrice > 0:
            yield _offer(
                gpu.id,
                gpu.displayName,
                gpu.memoryInGb,
                lowest.minimumBidPrice,
                count,
                fetched_at,
                source=GRAPHQL,
                tier="",
                spot=True,
                availability=stock,
                vcpus=vcpus,
                ram_gb=ram_gb,
            )


def _sold(said: bool | None, each: Decimal | None, most: int | None, count: int) -> bool:
    """Whether this many are sold there. A price of 0 is how RunPod writes "not sold"; a negative one is a bad row."""
    return said is not False and each is not None and each != 0 and (count == 1 or count <= (most or 1))


def _stock(lowest: Lowest | None) -> tuple[Availability, float]:
    if lowest is None:
        return _UNSAID
    if lowest.stockStatus is None:
        # Asked for and not there: out of stock when there is no price to have it at either.
        return _UNSAID if lowest.uninterruptablePrice is not None else _LEVELS["NONE"]
    return _LEVELS.get(lowest.stockStatus.upper(), _UNSAID)


def _offer(
    gpu_id: str,
    name: str | None,
    memory: float | None,
    each_gpu: Decimal | None,
    count: int,
    fetched_at: datetime,
    *,
    source: str,
    tier: str,
    availability: tuple[Availability, float],
    data_center: str | None = None,
    spot: bool = False,
    vcpus: float | None = None,
    ram_gb: float | None = None,
) -> Offer:
    cost = wire.priced(None if each_gpu is None else each_gpu * count, gpus=count)
    gpu = describe(name or gpu_id, vram_gb=memory)
    return Offer(
        offer_id=offer_id_of(SLUG, gpu_id, tier, count, data_center or "", "spot" if spot else ""),
        provider=SLUG,
        provider_offer_id=gpu_id,
        source=source,
        gpu_model=gpu.model,
        gpu_count=count,
        vram_gb_per_gpu=gpu.vram_gb,
        vcpus=wire.tidy(vcpus),
        ram_gb=wire.tidy(ram_gb),
        interconnect=gpu.form,
        region=canonical_region(SLUG, data_center),
        native_region=data_center,
        **cost,
        spot=spot,
        availability=availability[0],
        availability_confidence=availability[1],
        compliance_tags=tags(SLUG, (tier,) if tier else ()),
        rentable=not spot,
        launch={
            "gpu_type_id": gpu_id,
            "gpu_count": count,
            "cloud_type": "COMMUNITY" if tier == "community-cloud" else "SECURE",
            "data_center": data_center,
        },
        fetched_at=fetched_at,
    )
