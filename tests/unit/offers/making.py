"""Offers and markets for tests and benchmarks: like the real ones, made from a seed."""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gpubroker.offers import gpus, parts, regions
from gpubroker.offers.index import OfferIndex
from gpubroker.offers.market import Market
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import Bucket, PartState

NOW = datetime(2026, 5, 24, 10, 0, tzinfo=UTC)
AT = NOW.timestamp()


def an_offer(name: object = 1, provider: str = "vastai", **changes: Any) -> Offer:
    """One H100 at 2 USD; `price` is USD per GPU-hour."""
    price = round(changes.pop("price", 2) * 1_000_000)
    count = changes.get("gpu_count", 1)
    plain: dict[str, Any] = {
        "offer_id": offer_id_of(provider, name),
        "provider": provider,
        "provider_offer_id": str(name),
        "source": "POST /api/v0/bundles/",
        "gpu_model": "H100",
        "gpu_count": count,
        "price_micros_per_hour": price * count,
        "price_micros_per_gpu_hour": price,
        "currency": "USD",
        "native_price": f"{price * count / 1_000_000:g}",
        "fetched_at": NOW,
        "vram_gb_per_gpu": 80,
        "interconnect": "SXM5",
        "region": "us-east",
        "native_region": "Virginia, US",
        "availability": Availability.AVAILABLE,
        "availability_confidence": 1.0,
        "rentable": True,
        "launch": {"ask_id": name},
    }
    return Offer(**(plain | changes))


def many(number: int, seed: int = 1) -> list[Offer]:
    """A varied market."""
    draw = random.Random(seed)
    models = sorted(gpus.MODELS)[:60]
    made = []
    for name in range(number):
        count = draw.choice([1, 1, 1, 2, 4, 8])
        made.append(
            an_offer(
                name,
                SLUGS[name % len(SLUGS)],
                price=draw.randrange(40_000, 12_000_000) / 1_000_000,
                gpu_count=count,
                gpu_model=draw.choice(models),
                vram_gb_per_gpu=draw.choice([None, 16, 24, 40, 48, 80, 141]),
                vcpus=8.0 * count,
                ram_gb=32.0 * count,
                disk_gb=500.0,
                region=draw.choice([*regions.REGIONS, None]),
                spot=draw.random() < 0.3,
                availability=draw.choice(list(Availability)),
                availability_confidence=0.8,
                reliability=0.99,
                compliance_tags=draw.choice([(), (), ("soc2",), ("hipaa", "soc2")]),
            )
        )
    return made


def repriced(offer: Offer, price: float) -> Offer:
    """The same offer at another price, USD per GPU-hour."""
    micros = round(price * 1_000_000)
    return replace(offer, price_micros_per_gpu_hour=micros, price_micros_per_hour=micros * offer.gpu_count)


def by_provider(offers: Iterable[Offer]) -> dict[str, list[Offer]]:
    found = defaultdict(list)
    for offer in offers:
        found[offer.provider].append(offer)
    return dict(found)


def listings(offers: Iterable[Offer]) -> dict[tuple[str, str], bytes]:
    """The stored listings of a snapshot of these offers."""
    return {
        (provider, bucket): parts.encode_listing(members)
        for provider, own in by_provider(offers).items()
        for bucket, members in parts.bucketed(own).items()
    }


def index_of(offers: Iterable[Offer]) -> OfferIndex:
    return OfferIndex.of(listings(offers))


def market_of(offers: Iterable[Offer], *, at: float = AT, **changes: Any) -> Market:
    """A market in memory whose providers all answered at `at`."""
    offers = list(offers)
    states = {
        provider: PartState(
            provider=provider,
            version=1,
            beat=1,
            fetched_at=at,
            checked_at=at,
            took_s=0.4,
            outcome="ok",
            offers=len(own),
            buckets={name: Bucket(1, "x") for name in parts.bucketed(own)},
        )
        for provider, own in by_provider(offers).items()
    }
    return Market(index_of(offers), states, SLUGS, **changes)
