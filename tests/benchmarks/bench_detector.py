"""The price stream's handler: records in, findings out, with the state's reads and writes stubbed; beside it river doing
the same statistics (mean and standard deviation over the last 100, z of the next) on the same prices, which are
already numbers in a list. CPU time of one core.

The numbers are compared where both are exact enough: ours against river's on usual prices, and ours against exact
fractions on prices with a huge mean and a tiny spread, where z is to be right to 1e-9.
"""

import base64
import contextlib
import io
import math
import random
import statistics
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from river import stats, utils

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso
from gpubroker.messaging.price_stream import packed
from gpubroker.prices.detection import Detection
from gpubroker.prices.detector import LEAST, SIGMA_FLOOR, WINDOW, Series, WindowKey
from gpubroker.prices.states import State
from tests.benchmarks.harness import Row, in_turn, p50, row

OFFERS = 2_000
SYNCS = 30
PER_RECORD = 300
RECORDS_PER_BATCH = 20
ROUNDS = 5
NOW_MS = 1_779_616_800_000

Told = dict[str, Any]


class Kept:
    """States in the memory of this process, in the place of DynamoDB."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.events: list[Event] = []

    def read(self, offers: Iterable[str], windows: Iterable[WindowKey], shard: str) -> State:
        series = self.series
        return State({offer: series.get(offer) or series.setdefault(offer, Series()) for offer in offers})

    def write(
        self, state: State, windows: Mapping[WindowKey, list[int]], facts: Iterable[Event], shard: str, now_ms: int
    ) -> None:
        self.events += facts


class Nowhere:
    def put(self, what: Told) -> None:
        raise AssertionError(f"no record of this benchmark is bad: {what}")


def changes(chance: random.Random) -> list[list[Told]]:
    """One list of changes a sync; every offer moves in each."""
    prices = [chance.randrange(500_000, 9_000_000) for _ in range(OFFERS)]
    gpus = [chance.choice(("H100", "A100", "RTX 4090", "B200", "L40S")) for _ in range(OFFERS)]
    told = []
    for sync in range(SYNCS):
        moment = iso(datetime.fromtimestamp((NOW_MS - (SYNCS - sync) * 20_000) / 1000, UTC))
        rows = []
        for offer in range(OFFERS):
            old, new = prices[offer], max(1, round(prices[offer] * chance.gauss(1, 0.02)))
            prices[offer] = new
            rows.append(
                {
                    "provider": "vastai",
                    "offer_id": f"vastai-{offer:020x}",
                    "old_price_micros": old,
                    "new_price_micros": new,
                    "new_price_micros_per_hour": new * 8,
                    "timestamp": moment,
                    "gpu_type": gpus[offer],
                    "gpu_count": 8,
                    "region": "us-east",
                    "spot": False,
                    "event_id": f"evt_01J000000000000000000{sync:05d}.{offer}",
                }
            )
        told.append(rows)
    return told


def batches(syncs: list[list[Told]]) -> list[list[Told]]:
    """As Lambda brings them: base64 of packed records, twenty to a batch."""
    records = []
    for rows in syncs:
        for start in range(0, len(rows), PER_RECORD):
            content = base64.b64encode(packed(rows[start : start + PER_RECORD])).decode()
            number = str(len(records))
            records.append({"eventID": f"shard:{number}", "kinesis": {"sequenceNumber": number, "data": content}})
    return [records[start : start + RECORDS_PER_BATCH] for start in range(0, len(records), RECORDS_PER_BATCH)]


def ours(brought: list[list[Told]]) -> Kept:
    kept = Kept()
    detection = Detection(kept, Nowhere(), lambda: NOW_MS)
    for batch in brought:
        account = detection.take(batch)
        if account.failed is not None:
            raise AssertionError(account.errors)
    return kept


def rivers(samples: list[tuple[str, int]]) -> list[float | None]:
    """z of each price against the window before it, by river's rolling variance and mean."""
    held: dict[str, tuple[Any, Any]] = {}
    found: list[float | None] = []
    for offer, price in samples:
        if offer not in held:
            held[offer] = (utils.Rolling(stats.Mean(), WINDOW), utils.Rolling(stats.Var(), WINDOW))
        mean, variance = held[offer]
        z_score = None
        if len(mean.window) >= LEAST:
            average = mean.get()
            sigma = max(math.sqrt(max(variance.get(), 0.0)), average * SIGMA_FLOOR, 1.0)
            z_score = (price - average) / sigma
        found.append(z_score)
        mean.update(price)
        variance.update(price)
    return found


def scores(kept: Kept) -> dict[str, float | None]:
    return {
        update["event_id"]: update["z_score"]
        for event in kept.events
        if event.type == "PricesUpdated"
        for update in event.data["updates"]
    }


def apart(mine: Iterable[float | None], theirs: Iterable[float | None]) -> float:
    worst = 0.0
    for one, other in zip(mine, theirs, strict=True):
        if (one is None) is not (other is None):
            return math.inf
        if one is not None and other is not None:
            worst = max(worst, abs(one - other) / max(1.0, abs(other)))
    return worst


def hard_series(chance: random.Random) -> tuple[list[float | None], list[float | None], list[float | None]]:
    """Mean 100,000 USD, spread a millionth of it and less: ours, river's, and the exact z, floor and all."""
    prices = [10**11 + chance.randint(-(10**9), 10**9) for _ in range(150)]
    prices += [10**11 + chance.randint(-3, 3) for _ in range(250)]
    like = changes(random.Random(1))[0][0]
    rows = [
        like
        | {
            "new_price_micros": price,
            "new_price_micros_per_hour": price,
            "timestamp": iso(datetime.fromtimestamp((NOW_MS - (len(prices) - at) * 1000) / 1000, UTC)),
            "event_id": f"evt_hard.{at}",
        }
        for at, price in enumerate(prices)
    ]
    mine = scores(ours(batches([rows])))
    exact: list[float | None] = []
    for at, price in enumerate(prices):
        window = [Fraction(one) for one in prices[max(0, at - WINDOW) : at]]
        if len(window) < LEAST:
            exact.append(None)
            continue
        mean = sum(window) / len(window)
        sigma = max(math.sqrt(statistics.variance(window)), float(mean) * SIGMA_FLOOR, 1.0)
        exact.append(float(price - mean) / sigma)
    return [mine[row["event_id"]] for row in rows], rivers([("hard", price) for price in prices]), exact


def run() -> list[Row]:
    syncs = changes(random.Random(4))
    brought = batches(syncs)
    samples = [(change["offer_id"], change["new_price_micros"]) for rows in syncs for change in rows]
    total = len(samples)

    told = scores(ours(brought))
    mine = [told[change["event_id"]] for rows in syncs for change in rows]
    usual = apart(mine, rivers(samples))
    hard_mine, hard_river, hard_exact = hard_series(random.Random(9))
    exact = apart(hard_mine, hard_exact)
    with contextlib.redirect_stdout(io.StringIO()):
        first, second = in_turn(
            lambda: [lambda: ours(brought)],
            lambda: [lambda: rivers(samples)],
            rounds=ROUNDS,
            clock=time.process_time,
        )
    return [
        row(
            f"price change judged, of {total:,} in batches of {RECORDS_PER_BATCH * PER_RECORD:,} (limit: 250,000/s)",
            p50(first) / total * 1e6,
            "us",
            limit=4,
            peer=f"river {usual:.0e} apart",
            peer_value=p50(second) / total * 1e6,
            faster=10,
            equal=usual <= 1e-9,
        ),
        row(
            "z of a huge mean with a tiny spread, apart from exact fractions",
            exact,
            "relative",
            limit=1e-9,
            peer="river, apart from the same",
            peer_value=apart(hard_river, hard_exact),
        ),
    ]
