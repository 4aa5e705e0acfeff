"""Metering of running rentals: an event of each instance for each 30 s of the clock (checklist 421, 424, 454).

A beat looks at the slots of 30 s since the last one, and emits for every instance the part of each slot in which it was
charged. The parts depend on nothing but the slot and the charged time, so a second delivery of a beat, or two at once,
emit events with the same identities, which count once. A beat that was missed is made up by the next.

A slot is metered SETTLE_MS after it is over: by then a rental whose end was asked for in it says so. An instance that
was not there at the last beat is metered from where its charge began. What the beats could not see (a rental that began
and ended while nothing was metered, say) is made up when the rental has ended: `rest_of` compares what was charged with
what was counted and emits what is missing. So the seconds metered are the seconds charged, but for an instance that the
provider lost: it is charged until it was last seen, which is known some minutes later, and metered until it was missed.

Metered is what we know: `gpu_seconds` = seconds x GPUs. What only the machine itself knows (CPU, memory, storage,
network) is left out, which says "not measured"; it is not zero.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pynamodb.exceptions import DoesNotExist, PynamoDBException

from gpubroker.messaging.log import logger
from gpubroker.storage.transaction import lost_condition
from gpubroker.usage.aggregation import Hours
from gpubroker.usage.event import HOUR_MS, METRICS, SHORTEST_MS, UNIT, Usage
from gpubroker.usage.hour import Hour, hour_of
from gpubroker.usage.items import CursorItem
from gpubroker.usage.ports import Running, RunningRentals, Stretch

SLOT_MS = 30_000
SETTLE_MS = 20_000
"""Longer than any request that ends a rental may take."""
MOST_BEHIND_MS = 24 * HOUR_MS
"""How far back a beat makes up for. A longer gap is made up when each rental ends."""
MOST_AT_ONCE_MS = 30 * 60_000
"""Of that, in one go: so that a beat that makes up for much does so bit by bit, and keeps each."""
_GPU_SECONDS = METRICS.index("gpu_seconds")
_MARK = 8


class Sink(Protocol):
    def put(self, events: Sequence[Usage], received_ms: int) -> None: ...

    def beat(self, at_ms: int) -> None: ...


@dataclass(slots=True)
class Cursor:
    """until_ms: slots before it are metered. stretches: marks of those that were metered at the last beat."""

    until_ms: int
    stretches: frozenset[bytes] = frozenset()
    version: int = 0


@dataclass(slots=True)
class Metering:
    """clock_ms gives epoch milliseconds."""

    rentals: RunningRentals
    sink: Sink
    clock_ms: Callable[[], int]

    def beat(self) -> dict[str, int]:
        """Meter what is due. How many events and slots, and how far behind (milliseconds) the metering is then."""
        now_ms = self.clock_ms()
        due = slot_of(now_ms - SETTLE_MS)
        cursor = read_cursor() or Cursor(due - SLOT_MS)
        start = max(cursor.until_ms, due - MOST_BEHIND_MS)
        if start > cursor.until_ms:
            logger().error("metering has a gap", extra={"from_ms": cursor.until_ms, "until_ms": start})
        if start >= due:
            self.sink.beat(min(due, cursor.until_ms))
            return {"events": 0, "slots": 0, "behind_ms": 0}
        end = min(due, start + MOST_AT_ONCE_MS)
        running = list(self.rentals.instances())
        known = cursor.stretches
        events = list(metered(running, start, end, known, earliest_ms=due - MOST_BEHIND_MS))
        self.sink.put(events, now_ms)
        seen = frozenset(
            mark_of(one, stretch) for one in running for stretch in one.stretches if _goes_on(stretch, end)
        )
        move_cursor(cursor, Cursor(end, seen))
        self.sink.beat(end)
        return {"events": len(events), "slots": (end - start) // SLOT_MS, "behind_ms": due - end}

    def rest_of(self, ended: Iterable[Running], counted: Hours) -> int:
        """Emit what was charged and is not counted, of instances that have ended. How many events that were."""
        now_ms = self.clock_ms()
        missing: list[Usage] = []
        for one in ended:
            hours = {hour for stretch in one.stretches for hour in _hours(stretch)}
            keys = [(one.user_id, one.instance_id, hour) for hour in sorted(hours)]
            found = {key[2]: Hour(key[2], stored) for key, stored in counted.read(keys).items()}
            for stretch in one.stretches:
                for event in slots(one, stretch, stretch.since_ms, stretch.until_ms or stretch.since_ms):
                    hour = found.get(hour_of(event.start_ms))
                    missing += [event] if hour is None else list(_uncounted(event, hour))
        if missing:
            self.sink.put(missing, now_ms)
        return len(missing)


def metered(
    running: Iterable[Running], start_ms: int, end_ms: int, known: frozenset[bytes], *, earliest_ms: int
) -> Iterator[Usage]:
    """The events of the slots in [start, end); of a stretch that is not known, from where it began."""
    for one in running:
        for stretch in one.stretches:
            first = start_ms if mark_of(one, stretch) in known else max(stretch.since_ms, earliest_ms)
            yield from slots(one, stretch, min(first, start_ms), end_ms)


def slots(one: Running, stretch: Stretch, start_ms: int, end_ms: int) -> Iterator[Usage]:
    """An event for each slot of [start, end) in which the stretch lies, cut to it."""
    until = end_ms if stretch.until_ms is None else min(end_ms, stretch.until_ms)
    at = max(slot_of(start_ms), slot_of(stretch.since_ms))
    while at < until:
        begin, end = max(at, stretch.since_ms), min(at + SLOT_MS, until)
        if begin < end:
            yield _event(one, begin, end)
        at += SLOT_MS


def _goes_on(stretch: Stretch, end_ms: int) -> bool:
    """Whether a stretch has begun, and has not ended so long ago that no beat would meter it anyway."""
    return stretch.since_ms < end_ms and (stretch.until_ms is None or stretch.until_ms > end_ms - MOST_BEHIND_MS)


def _event(one: Running, begin: int, end: int) -> Usage:
    metrics: list[int | None] = [None] * len(METRICS)
    metrics[_GPU_SECONDS] = (end - begin) * one.gpu_count * UNIT // 1000
    return Usage(one.instance_id, one.user_id, one.org_id, begin, end - begin, 0, None, tuple(metrics))


def _uncounted(event: Usage, hour: Hour) -> Iterator[Usage]:
    """The parts of an event that no counted period covers."""
    at, end = event.start_ms, event.start_ms + event.length_ms
    for start, length in zip(hour.starts, hour.lengths, strict=True):
        begin = hour.hour_ms + start
        if begin + length <= at or begin >= end:
            continue
        if begin - at >= SHORTEST_MS:
            yield _part(event, at, begin)
        at = max(at, begin + length)
    if end - at >= SHORTEST_MS:
        yield _part(event, at, end)


def _part(event: Usage, begin: int, end: int) -> Usage:
    metrics = list(event.metrics)
    metrics[_GPU_SECONDS] = (metrics[_GPU_SECONDS] or 0) * (end - begin) // event.length_ms
    return event._replace(start_ms=begin, length_ms=end - begin, metrics=tuple(metrics))


def slot_of(at_ms: int) -> int:
    return at_ms - at_ms % SLOT_MS


def mark_of(one: Running, stretch: Stretch) -> bytes:
    """A stretch in eight bytes."""
    return hashlib.blake2b(f"{one.instance_id} {stretch.since_ms}".encode(), digest_size=_MARK).digest()


def _hours(stretch: Stretch) -> Iterator[int]:
    at = hour_of(stretch.since_ms)
    while at < (stretch.until_ms or stretch.since_ms):
        yield at
        at += HOUR_MS


# ------------------------------------------------------------------ the cursor


def read_cursor() -> Cursor | None:
    try:
        item = CursorItem.get("METER", "CURSOR", consistent_read=True)
    except DoesNotExist:
        return None
    marks = bytes(item.stretches or b"")
    known = frozenset(marks[at : at + _MARK] for at in range(0, len(marks), _MARK))
    return Cursor(int(item.until_ms), known, int(item.version or 0))


def move_cursor(before: Cursor, after: Cursor) -> bool:
    """Whether it was moved; not where another beat was first, whose events were the same."""
    item = CursorItem("METER", "CURSOR", version=before.version + 1, until_ms=after.until_ms)
    item.stretches = b"".join(sorted(after.stretches)) or None
    first = before.version == 0
    try:
        item.save(condition=CursorItem.pk.does_not_exist() if first else CursorItem.version == before.version)
    except PynamoDBException as error:
        if lost_condition(error):
            return False
        raise
    return True
