"""The usage stream's handler: records in, hours out, the table's reads and writes stubbed. CPU time of one core.

An event is counted from the record as Lambda brings it (base64, packed as the API and the metering pack) to the hour as
it would be written: decoded, checked, compared with what is counted, added, encoded. The batches are those of a stream
that is read ten minutes at a time (a backlog), and those of a calm day (a minute: two events of each instance).

The replay is a day of 1,000 instances, 2.88 million events in the order in which they happen, and then once more into
another table: ten-minute pieces in random order, and a tenth as many events a second time among them. The totals of
both are compared, all of them, and with what was made.
"""

import base64
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpubroker.usage.aggregation import Account, Aggregation, HourKey
from gpubroker.usage.event import METRICS, UNIT, Usage
from gpubroker.usage.hour import Hour, Stored
from gpubroker.usage.stream import packed
from tests.benchmarks.harness import Row, p50, row

INSTANCES = 1_000
BEATS = 24 * 120
ROUNDS = 5
DAY_MS = 1_779_580_800_000
LEAST_A_SECOND = 150_000
_GPU = METRICS.index("gpu_seconds")

Batch = list[dict[str, Any]]


class Kept:
    """Hours in the memory of this process, in the place of DynamoDB."""

    def __init__(self) -> None:
        self.hours: dict[HourKey, Stored] = {}
        self.writes = 0

    def read(self, keys: Iterable[HourKey]) -> Mapping[HourKey, Stored]:
        return {key: self.hours[key] for key in keys if key in self.hours}

    def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
        self.writes += len(hours)
        self.hours.update(hours)
        return {}

    def reached(self, beats: Mapping[str, int], shard: str) -> None:
        raise AssertionError("no heartbeat in this benchmark")

    def totals(self) -> dict[HourKey, list[tuple[str, list[Any]]]]:
        return {
            key: sorted((org, sums.plain()) for org, sums in Hour(key[2], stored).sums.items())
            for key, stored in self.hours.items()
        }


class Nowhere:
    def put(self, what: dict[str, Any]) -> None:
        raise AssertionError(f"no record of this benchmark is bad: {what['wrong']}")


def event(instance: int, beat: int) -> Usage:
    """Always the same for an instance and a beat; values with three decimal places, as agents tell them."""
    noise = (instance * 2_654_435_761 + beat * 40_503) & 0xFFFFFFFF
    return Usage(
        f"ren_01KSCPQP650KCY29RB756{instance:05d}.m1",
        f"usr_01KSCN00000000000000{instance // 4:05d}",
        "org_01KSCN000000000000000001" if instance % 5 == 0 else None,
        DAY_MS + beat * 30_000,
        30_000,
        0,
        None,
        (
            (noise % 240_000) * 1_000,
            (noise % 100_000) * 1_000,
            (noise % 80_000) * 1_000,
            (noise % 99_991) * 1_000,
            25_700_000,
            (noise % 9_973) * 1_000,
            (noise % 19_997) * 1_000,
            30 * UNIT,
        ),
    )


def brought(events: Iterable[Usage]) -> Batch:
    """As Lambda brings them."""
    return [
        {
            "eventID": f"shard:{number}",
            "kinesis": {"sequenceNumber": str(number), "partitionKey": key, "data": base64.b64encode(content).decode()},
        }
        for number, (key, content) in enumerate(packed(events, DAY_MS + BEATS * 30_000))
    ]


def taken(aggregation: Aggregation, batch: Batch) -> Account:
    account = aggregation.take(batch)
    if account.failed is not None or account.conflicts:
        raise AssertionError(account)
    return account


def a_batch(beats: int) -> float:
    """Microseconds an event, of batches of so many beats of all instances over two hours."""
    batches = [
        brought(event(instance, beat) for beat in range(first, first + beats) for instance in range(INSTANCES))
        for first in range(0, 120, beats)
    ]
    seconds = []
    for _ in range(ROUNDS):
        aggregation = Aggregation(Kept(), Nowhere(), lambda: DAY_MS)
        started = time.process_time()
        counted = sum(taken(aggregation, batch).counted for batch in batches)
        seconds.append(time.process_time() - started)
        if counted != 120 * INSTANCES:
            raise AssertionError(counted)
    return p50(seconds) / (120 * INSTANCES) * 1e6


def pieces(chance: random.Random) -> Iterator[list[Usage]]:
    """The day in another order, and a tenth of it twice."""
    firsts = list(range(0, BEATS, 20))
    chance.shuffle(firsts)
    for first in firsts:
        events = [event(instance, beat) for beat in range(first, first + 20) for instance in range(INSTANCES)]
        again = chance.sample(firsts, 4)
        repeats = [
            event(chance.randrange(INSTANCES), chance.choice(again) + chance.randrange(20)) for _ in range(1_800)
        ]
        yield events + repeats + chance.sample(events, 200)


def replayed(batches: Iterable[list[Usage]]) -> tuple[Kept, float, int, int]:
    """What is kept, CPU seconds of the handler alone, events brought and counted."""
    kept, seconds, events, counted = Kept(), 0.0, 0, 0
    aggregation = Aggregation(kept, Nowhere(), lambda: DAY_MS)
    for some in batches:
        batch = brought(some)
        events += len(some)
        started = time.process_time()
        counted += taken(aggregation, batch).counted
        seconds += time.process_time() - started
    return kept, seconds, events, counted


def run() -> list[Row]:
    backlog, calm = a_batch(20), a_batch(2)
    in_order = (
        [event(instance, beat) for beat in range(first, first + 20) for instance in range(INSTANCES)]
        for first in range(0, BEATS, 20)
    )
    one, one_s, one_events, one_counted = replayed(in_order)
    other, other_s, other_events, other_counted = replayed(pieces(random.Random(7)))
    seconds = sum(Hour(key[2], stored).sums[org].amounts[_GPU] for key, stored in one.hours.items()
                  for org in Hour(key[2], stored).sums) // UNIT  # fmt: skip
    right = one_counted == INSTANCES * BEATS and seconds == INSTANCES * BEATS * 30 and len(one.hours) == INSTANCES * 24
    same = right and other_counted == one_counted and one.totals() == other.totals()
    least_us = 1e6 / LEAST_A_SECOND
    return [
        row("an event of a backlog through the handler (6.67 us are 150,000 a second)", backlog, "us", limit=least_us),
        row("an event of a calm day: two an hour written", calm, "us"),
        row(
            f"a day of 1,000 instances, {one_events:,} events, totals right",
            one_s / one_events * 1e6,
            "us an event",
            limit=least_us,
            equal=right,
        ),
        row("its writes for each hour touched in a batch", one.writes / (INSTANCES * BEATS / 20), "", limit=1),
        row(
            f"the same in another order with repeats, {other_events:,} events: identical totals",
            other_s / other_events * 1e6,
            "us an event",
            equal=same,
        ),
        row("bytes of an hour of 120 events as it is kept", _bytes(one), "B"),
    ]


def _bytes(kept: Kept) -> float:
    sizes = [
        len(stored.periods) + len(stored.sums) + sum(map(len, stored.pieces)) + 250 for stored in kept.hours.values()
    ]
    return sum(sizes) / len(sizes)
