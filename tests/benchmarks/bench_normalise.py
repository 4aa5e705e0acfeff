"""From one decoded answer of Vast.ai, 50,000 machines of which each is sold on demand and interruptible, to offers;
beside it what gpuhunt makes of the very same answer. CPU time: it is one thread's work.

A machine that ends up in both lists must cost the same in both (gpuhunt adds disk at its own size, so the answer is
made with no price for disk).
"""

import time
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import requests
from gpuhunt.providers import vastai as theirs

import offers  # noqa: F401 - the functions' package: it sets the collector as in Lambda, for both
from gpubroker.offers.offer import offer_id_of
from gpubroker.offers.providers import lambdalabs, vastai
from tests.benchmarks.harness import Row, in_turn, p50, row
from tests.benchmarks.raw_answers import lambdalabs_answer, vastai_answer

MACHINES = 50_000
ROUNDS = 3
MOST_US = 10.0  # a raw offer: at least 100,000 a second
AT = datetime(2026, 5, 24, 10, tzinfo=UTC)


class _Answered:
    """What requests.post gives gpuhunt: the same decoded answer, at no cost."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def raise_for_status(self) -> None: ...

    def json(self) -> dict[str, Any]:
        return self._told


def run() -> list[Row]:
    told = vastai_answer(MACHINES)
    types = lambdalabs_answer(2000)
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


def _same_prices(ours: Any, items: Any) -> bool:
    """Whether both say the same of each machine, to the fifth decimal, to which gpuhunt rounds."""
    mine = {(offer.provider_offer_id, offer.spot): offer.price_micros_per_hour / 1e6 for offer in ours}
    return all(abs(mine[item.instance_name, item.spot] - item.price) <= 6e-6 for item in items)
