"""A small market, stored as a sync stores it."""

import time
from datetime import UTC, datetime

from gpubroker.offers import snapshot
from gpubroker.offers.offer import Availability, Offer, offer_id_of
from gpubroker.offers.snapshot import Answer
from gpubroker.offers.state import PartState

MODELS = ("H100", "A100", "RTX 4090", "L40S")
OFFERS = 12


def _offer(number: int, now: float) -> Offer:
    price = 1_000_000 + 150_000 * number
    return Offer(
        offer_id=offer_id_of("vastai", number),
        provider="vastai",
        provider_offer_id=str(number),
        source="POST /api/v0/bundles/",
        gpu_model=MODELS[number % len(MODELS)],
        gpu_count=1,
        vram_gb_per_gpu=80,
        vcpus=16.0,
        ram_gb=64.0,
        disk_gb=200.0,
        price_micros_per_hour=price,
        price_micros_per_gpu_hour=price,
        currency="USD",
        native_price=str(price / 1_000_000),
        fetched_at=datetime.fromtimestamp(now, UTC),
        region="us-east",
        native_region="Virginia, US",
        spot=bool(number % 2),
        availability=Availability.AVAILABLE,
        availability_confidence=1.0,
        reliability=0.99,
        rentable=True,
        launch={"ask_id": number},
    )


OFFER_IDS = [offer_id_of("vastai", number) for number in range(OFFERS)]


def fill_market() -> None:
    """One provider answered just now; the others never did."""
    now = time.time()
    offers = [_offer(number, now) for number in range(OFFERS)]
    snapshot.take(PartState(provider="vastai"), Answer(provider="vastai", at=now, took_s=0.2, offers=offers))
