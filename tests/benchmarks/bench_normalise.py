"""From one decoded answer of Vast.ai, 50,000 machines of which each is sold on demand and interruptible, to offers;
beside it what gpuhunt makes of the very same answer. CPU time: it is one thread's work.

A machine that ends up in both lists must cost the same in both (gpuhunt adds disk at its own size, so the answer is
made with no price for disk).
"""

import random
import time
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import requests
from gpuhunt.providers import vastai as theirs

from gpubroker.offers.offer import offer_id_of
from gpubroker.offers.providers import lambdalabs, vastai
from tests.benchmarks.harness import Row, in_turn, p50, row

MACHINES = 50_000
ROUNDS = 3
MOST_US = 10.0  # a raw offer: at least 100,000 a second
AT = datetime(2026, 5, 24, 10, tzinfo=UTC)
_GPUS = ("RTX 4090", "RTX 3090", "H100 SXM", "A100 PCIE", "L40S", "RTX A6000", "RTX 5090", "H200")
_PLACES = ("Norway, NO", "Texas, US", "Denmark, DK", "Ontario, CA", "Japan, JP", None)


def answer(number: int) -> dict[str, Any]:
    """A decoded answer with so many asks, each with a price of its own."""
    draw = random.Random(7)
    rows = []
    for ask in range(number):
        base = round(draw.uniform(0.08, 3.0), 6)
        rows.append(
            {
                "id": 7_000_000 + ask,
                "machine_id": ask // 4,
                "host_id": ask // 16,
                "gpu_name": draw.choice(_GPUS),
                "num_gpus": draw.choice((1, 1, 2, 4, 8)),
                "gpu_ram": draw.choice((24564, 81559, 49140)),
                "cpu_cores": 64,
                "cpu_cores_effective": float(draw.choice((8, 16, 32))),
                "cpu_ram": 257_000,
                "disk_space": round(draw.uniform(50, 4000), 1),
                "dph_base": base,
                "dph_total": base,
                "min_bid": round(base * draw.uniform(0.4, 0.8), 6),
                "storage_cost": 0.0,
                "inet_down": 812.4,
                "inet_up": 640.1,
                "reliability2": round(draw.uniform(0.9, 1), 4),
                "verified": True,
                "rentable": True,
                "rented": False,
                "geolocation": draw.choice(_PLACES),
                "cuda_max_good": 12.8,
                "compute_cap": 890,
                "duration": 2_592_000.0,
            }
        )
    return {"offers": rows}


class _Answered:
    """What requests.post gives gpuhunt: the same decoded answer, at no cost."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def raise_for_status(self) -> None: ...

    def json(self) -> dict[str, Any]:
        return self._told


def run() -> list[Row]:
    told = answer(MACHINES)
    types = _lambda_answer(2000)
    provider = theirs.VastAIProvider()

    def gpuhunt() -> Any:
        with mock.patch.object(requests, "post", return_value=_Answered(told)):
            return provider.get()

    ours_now, theirs_now = vastai.normalise(told, fetched_at=AT), gpuhunt()
    same = len(ours_now) == len(theirs_now) == 2 * MACHINES and _same_prices(ours_now, theirs_now)
    types_now = lambdalabs.normalise(types, fetched_at=AT)

    def cold() -> None:
        offer_id_of.cache_clear()  # as in a process that sees the market for the first time
        vastai.normalise(told, fetched_at=AT)

    first, warm, beside, lambda_warm = in_turn(
        lambda: [cold],
        lambda: [lambda: vastai.normalise(told, fetched_at=AT)],
        lambda: [gpuhunt],
        lambda: [lambda: lambdalabs.normalise(types, fetched_at=AT)],
        rounds=ROUNDS,
        clock=time.process_time,
    )
    raw = 2 * MACHINES
    peer = {"peer": "gpuhunt, the same payload", "peer_value": p50(beside) / raw * 1e6, "equal": same}
    return [
        row(f"Vast.ai, {raw:,} raw offers, first sight", p50(first) / raw * 1e6, "us an offer", limit=MOST_US, **peer),
        row(f"Vast.ai, {raw:,} raw offers, seen before", p50(warm) / raw * 1e6, "us an offer", limit=MOST_US, **peer),
        row(
            f"Lambda Cloud, {len(types_now):,} raw offers",
            p50(lambda_warm) / len(types_now) * 1e6,
            "us an offer",
            limit=MOST_US,
        ),
    ]


def _lambda_answer(types: int) -> dict[str, Any]:
    places = [{"name": f"us-east-{number}", "description": "Virginia, USA"} for number in range(10)]
    return {
        "data": {
            f"gpu_{number}": {
                "instance_type": {
                    "name": f"gpu_{number}",
                    "gpu_description": "H100 (80 GB SXM5)",
                    "price_cents_per_hour": 200 + number % 300,
                    "specs": {"vcpus": 26, "memory_gib": 225, "storage_gib": 2816, "gpus": 1},
                },
                "regions_with_capacity_available": places,
            }
            for number in range(types)
        }
    }


def _same_prices(ours: Any, items: Any) -> bool:
    """Whether both say the same of each machine, to the fifth decimal, to which gpuhunt rounds."""
    mine = {(offer.provider_offer_id, offer.spot): offer.price_micros_per_hour / 1e6 for offer in ours}
    return all(abs(mine[item.instance_name, item.spot] - item.price) <= 6e-6 for item in items)
