"""The price stream's handler: records in, findings out, the state's reads and writes stubbed. CPU time of one core.

Beside it river, doing the same statistics on the same records: by offer the mean and the standard deviation of the last
100 prices and z of the next, by GPU type average, lowest and highest of each minute, with its own grouped aggregates on
records that are dicts already. Our statistics alone are compared with that; the handler, which also decodes, checks and
tells, is given with river's time beside it.

The numbers are compared too: ours with river's on usual prices, and ours with exact fractions on prices with a huge
mean and a tiny spread, where z is to be right to 1e-9.
"""

import base64
import gc
import math
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from river import stats
from river.feature_extraction import Agg
from river.utils import Rolling

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso
from gpubroker.messaging.price_stream import packed
from gpubroker.prices.changes import Change, read
from gpubroker.prices.detection import Detection
from gpubroker.prices.detector import LEAST, SIGMA_FLOOR, WINDOW, Findings, Series, WindowKey, judge
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
    """States in the memory of this process, in the place of DynamoDB; findings are let go unless `all_of_it`."""

    def __init__(self, all_of_it: bool) -> None:
        self.all_of_it = all_of_it
        self.series: defaultdict[str, Series] = defaultdict(Series)
        self.events: list[Event] = []

    def read(self, offers: Iterable[str], windows: Iterable[WindowKey], shard: str) -> State:
        names = list(offers)
        return State(dict(zip(names, map(self.series.__getitem__, names), strict=True)))

    def write(
        self, state: State, windows: Mapping[WindowKey, list[int]], facts: Iterable[Event], shard: str, now_ms: int
    ) -> None:
        made = list(facts)
        if self.all_of_it:
            self.events += made


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


def ours(brought: list[list[Told]], *, all_of_it: bool = False) -> Kept:
    kept = Kept(all_of_it)
    detection = Detection(kept, Nowhere(), lambda: NOW_MS)
    for batch in brought:
        account = detection.take(batch)
        if account.failed is not None:
            raise AssertionError(account.errors)
    return kept


def rivers(records: list[Told]) -> list[float | None]:
    """z of each price against the window before it; records know their minute."""
    mean = Agg(on="new_price_micros", by="offer_id", how=Rolling(stats.Mean, window_size=WINDOW))
    variance = Agg(on="new_price_micros", by="offer_id", how=Rolling(stats.Var, window_size=WINDOW))
    windows = [
        Agg(on="new_price_micros", by=["gpu_type", "minute"], how=how)
        for how in (stats.Mean(), stats.Min(), stats.Max())
    ]
    seen: Counter[str] = Counter()
    found: list[float | None] = []
    for record in records:
        offer = record["offer_id"]
        z_score = None
        if seen[offer] >= LEAST:
            (average,) = mean.transform_one(record).values()
            (squared,) = variance.transform_one(record).values()
            sigma = math.sqrt(max(squared, 0.0))
            z_score = (record["new_price_micros"] - average) / max(sigma, average * SIGMA_FLOOR, 1.0)
        found.append(z_score)
        seen[offer] += 1
        mean.learn_one(record)
        variance.learn_one(record)
        for window in windows:
            window.learn_one(record)
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
    mine = scores(ours(batches([rows]), all_of_it=True))
    exact: list[float | None] = []
    for at, price in enumerate(prices):
        window = [Fraction(one) for one in prices[max(0, at - WINDOW) : at]]
        if len(window) < LEAST:
            exact.append(None)
            continue
        mean = sum(window) / len(window)
        sigma = max(math.sqrt(statistics.variance(window)), float(mean) * SIGMA_FLOOR, 1.0)
        exact.append(float(price - mean) / sigma)
    return [mine[row["event_id"]] for row in rows], rivers(grouped_records([rows])), exact


def run() -> list[Row]:
    syncs = changes(random.Random(4))
    brought = batches(syncs)
    records = grouped_records(syncs)
    total = len(records)
    decoded = [read(packed(rows), NOW_MS)[0] for rows in syncs]

    told = scores(ours(brought, all_of_it=True))
    mine = [told[change["event_id"]] for rows in syncs for change in rows]
    usual = apart(mine, rivers(records))
    hard_mine, hard_river, hard_exact = hard_series(random.Random(9))
    handler, judging, second = in_turn(
        lambda: [lambda: ours(brought)],
        lambda: [lambda: judged(decoded)],
        lambda: [lambda: rivers(records)],
        rounds=ROUNDS,
        clock=time.process_time,
    )
    peer = f"river, z apart by {usual:.0e}"
    river_us = p50(second) / total * 1e6
    return [
        row(
            "a price change through the handler: decoded, checked, judged, told (4 us are 250,000 a second)",
            p50(handler) / total * 1e6,
            "us",
            limit=4,
            peer=f"{peer}, nothing decoded",
            peer_value=river_us,
            equal=usual <= 1e-9,
        ),
        row(
            "the statistics of a price change alone",
            p50(judging) / total * 1e6,
            "us",
            peer=peer,
            peer_value=river_us,
            faster=10,
            equal=usual <= 1e-9,
        ),
        row(
            "z of a huge mean with a tiny spread, apart from exact fractions",
            apart(hard_mine, hard_exact),
            "relative",
            limit=1e-9,
            peer="river, apart from the same",
            peer_value=apart(hard_river, hard_exact),
        ),
    ]


def grouped_records(syncs: list[list[Told]]) -> list[Told]:
    """Changes as river groups them: with the minute that they belong to."""
    return [change | {"minute": change["timestamp"][:16]} for rows in syncs for change in rows]


def judged(decoded: list[list[Change]]) -> None:
    """The statistics as the handler does them: a group at a time, and no look for cycles meanwhile."""
    series: defaultdict[str, Series] = defaultdict(Series)
    gc.disable()
    for found in decoded:
        for start in range(0, len(found), 100):
            judge(found[start : start + 100], series, Findings(), NOW_MS)
    gc.enable()
