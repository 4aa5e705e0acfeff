"""A market of any size that looks like the real one: eight providers of very different size and style, the GPU models
of the dated table with prices that follow their figures, machines of one to eight GPUs in the regions that exist.

The same seed gives the same offers. They go through the product's own code (parts, shared) into a real Redis.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from gpubroker.offers import gpu_figures, parts, shared
from gpubroker.offers.index import BucketKey
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.parts import Stored
from gpubroker.offers.regions import REGIONS
from gpubroker.offers.state import Bucket, PartState

SEED = 20260524

# Share of the market, name of the call that lists offers, whether a single machine or a type is sold, reliability told.
PROVIDERS: dict[str, tuple[float, str, bool]] = {
    "vastai": (0.42, "POST /api/v0/bundles/", True),
    "azure": (0.16, "GET /api/retail/prices", False),
    "shadeform": (0.12, "GET /v1/instances/types", False),
    "primeintellect": (0.10, "GET /api/v1/availability/", False),
    "runpod": (0.08, "POST /graphql gpuTypes", False),
    "verda": (0.05, "GET /v1/instance-types", False),
    "hyperstack": (0.04, "GET /v1/core/flavors", False),
    "lambdalabs": (0.03, "GET /api/v1/instance-types", False),
}
_COUNTS, _COUNT_WEIGHTS = (1, 2, 4, 8), (0.5, 0.2, 0.15, 0.15)
_AVAILABILITY, _AVAILABILITY_WEIGHTS = tuple(Availability), (0.7, 0.12, 0.1, 0.08)
_TAGS = ((), (), ("soc2",), ("iso27001", "soc2"), ("gdpr", "iso27001", "soc2"), ("hipaa", "soc2"))


def offers(count: int, *, seed: int = SEED, now: float) -> Iterator[Offer]:
    """`count` offers in no order, answered at `now` (epoch seconds)."""
    draw = random.Random(seed)
    moment = datetime.fromtimestamp(now, UTC)
    figures = [one for one in gpu_figures.FIGURES if one.vram_gb >= 8]
    popular = [1 / (place + 4) for place in range(len(figures))]
    names = list(PROVIDERS)
    shares = [PROVIDERS[name][0] for name in names]
    regions = [region for region in REGIONS if region]
    for number in range(count):
        provider = draw.choices(names, shares)[0]
        gpu = draw.choices(figures, popular)[0]
        gpus = draw.choices(_COUNTS, _COUNT_WEIGHTS)[0]
        region = draw.choice(regions)
        spot = draw.random() < 0.3
        # H100 SXM5: 2.3 USD, A100 80 GB: 0.94, RTX 4090: 0.43; a spread as between providers, and less for spot.
        usual = 0.002 * gpu.fp16_tflops + 0.004 * gpu.vram_gb
        per_gpu = round(usual * draw.lognormvariate(0.0, 0.3) * (0.55 if spot else 1.0), 4)
        price = round(per_gpu * gpus * 1_000_000)
        _, source, single = PROVIDERS[provider]
        own = str(20_000_000 + number) if single else f"{gpus}x_{gpu.model}_{gpu.form}_{number}".replace(" ", "-")
        availability = Availability.AVAILABLE if single else draw.choices(_AVAILABILITY, _AVAILABILITY_WEIGHTS)[0]
        yield Offer(
            offer_id=offer_id_of(provider, own, region, gpus, spot),
            provider=provider,
            provider_offer_id=own,
            source=source,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=float(gpus * draw.choice((6, 8, 12, 16, 26))),
            ram_gb=float(gpus * draw.choice((32, 64, 128, 200))),
            disk_gb=float(draw.choice((100, 250, 512, 1024, 2048, 20_000))),
            interconnect=gpu.form or None,
            region=region,
            native_region=f"{region}-{draw.randrange(1, 4)}",
            price_micros_per_hour=price,
            price_micros_per_gpu_hour=price // gpus,
            currency="USD",
            native_price=f"{per_gpu * gpus:.4f}",
            spot=spot,
            availability=availability,
            availability_confidence=1.0 if single else 0.5,
            reliability=round(draw.uniform(0.9, 1.0), 4) if single else None,
            compliance_tags=draw.choice(_TAGS),
            rentable=provider in ("vastai", "runpod", "lambdalabs", "shadeform"),
            fetched_at=moment,
        )


def by_bucket(all_offers: Iterator[Offer] | list[Offer]) -> dict[BucketKey, list[Offer]]:
    """Offers as the snapshot cuts them: by provider, then by bucket."""
    of_provider: dict[str, list[Offer]] = {}
    for offer in all_offers:
        of_provider.setdefault(offer.provider, []).append(offer)
    return {
        (provider, name): members
        for provider, some in of_provider.items()
        for name, members in parts.bucketed(some).items()
    }


def listings(buckets: dict[BucketKey, list[Offer]]) -> dict[BucketKey, bytes]:
    """The stored form of each bucket."""
    return {key: parts.encode_listing(members) for key, members in buckets.items()}


class Published:
    """A snapshot in Redis, as the sync and the publisher leave it there; `beat` says that a sync found no change."""

    def __init__(self, client, blobs: dict[BucketKey, bytes], sizes: dict[BucketKey, int]) -> None:  # type: ignore[no-untyped-def]
        self._client = client
        self._states: dict[str, PartState] = {}
        of_provider: dict[str, dict[str, Stored]] = {}
        for (provider, name), blob in blobs.items():
            of_provider.setdefault(provider, {})[name] = Stored(1, blob)
        for provider, stored in of_provider.items():
            self._states[provider] = PartState(
                provider=provider,
                version=1,
                took_s=0.4,
                outcome="ok",
                offers=sum(sizes[provider, name] for name in stored),
                buckets={name: Bucket(1, "0" * 12) for name in stored},
            )
            for name, one in stored.items():
                shared.publish(client, provider, None, {name: one}, ttl_s=3600)

    def beat(self, now: float) -> None:
        """Every provider answered at `now`, with the same offers."""
        for provider, state in self._states.items():
            self._states[provider] = after = state.next(fetched_at=now, checked_at=now)
            shared.publish(self._client, provider, after, {}, ttl_s=3600)
