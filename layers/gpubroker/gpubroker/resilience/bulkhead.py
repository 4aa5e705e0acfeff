"""How many calls of a kind all processes may make at once, and how soon after each other: leases in one DynamoDB item.

    slots = Bulkhead(RentalItem._get_connection)
    with slots.slot("lambdalabs:create", Limit(at_once=1, every_s=12), lease_s=30, wait_s=5):
        api.create(order)

    pk LIMIT#<name>  sk SLOTS   leases, queue: sets of "<expiry in ms>:<holder>"; next_ms: when the next may begin

Taking a free slot is one conditional UpdateItem, giving it back another. Who finds none free waits, but never without
bound: at most `waiters` of all processes together and at most `wait_s` (or what the deadline leaves), looking again
with full jitter; everybody else is told to come back later (503 with Retry-After). Nobody is first in the queue: it
only bounds how many there are.

A holder that died keeps its slot until its lease has expired, so `lease_s` is longer than the call can take. An expiry
that no lease could have (a clock was wrong) counts as expired.

With DynamoDB away each process holds itself alone to the limit: a bulkhead must not be what breaks.
"""

import logging
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.attributes import NumberAttribute, UnicodeSetAttribute
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions import condition
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from gpubroker.kernel import deadline
from gpubroker.kernel.errors import Unavailable
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.refusals import lost_condition

logger = logging.getLogger(__name__)

_AWAY = (PynamoDBException, BotoCoreError, ClientError)
_LOOKS = Backoff(base_s=0.1, cap_s=2.0)
_LONGEST_LEASE_MS = 15 * 60 * 1000
"""Nothing here lives longer than a Lambda can."""

_leases = UnicodeSetAttribute(attr_name="leases")
_queue = UnicodeSetAttribute(attr_name="queue")
_next_ms = NumberAttribute(attr_name="next_ms")
size: Callable[[UnicodeSetAttribute], Any] = condition.size


class Busy(Unavailable):
    """All slots are taken, and the queue for them is full or took too long."""

    code = "at-capacity"
    title = "As much of this is being done at once as may be"


@dataclass(frozen=True, slots=True)
class Limit:
    """at_once: calls that run together, at least 1; every_s: seconds from the beginning of one to that of the next."""

    at_once: int
    every_s: float = 0.0


class _Held(NamedTuple):
    """What the item says at one moment."""

    leases: frozenset[str]
    queue: frozenset[str]
    next_ms: int


class Bulkhead:
    """Limits by name.

    connection  gives the table (a model's `_get_connection`)
    clock       epoch seconds, of which processes are assumed to agree to a second or two
    """

    def __init__(
        self,
        connection: Callable[[], TableConnection],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        name_holder: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
    ) -> None:
        self._connection, self._clock, self._sleep, self._uniform = connection, clock, sleep, uniform
        self._name_holder = name_holder
        self._alone = _Alone(clock)

    @contextmanager
    def slot(
        self, name: str, limit: Limit, *, lease_s: float, wait_s: float = 5.0, waiters: int = 20
    ) -> Iterator[None]:
        """Holds one slot during the block. Raises Busy when none came free in time."""
        holder = self._name_holder()
        try:
            lease = self._acquired(name, limit, holder, lease_s, wait_s, waiters)
        except _AWAY as error:
            logger.warning("limit %s: the shared state is away (%r), this process goes by itself", name, error)
            with self._alone.slot(name, limit):
                yield
            return
        try:
            yield
        finally:
            self._quietly(name, [_leases.delete({lease})])

    def _acquired(self, name: str, limit: Limit, holder: str, lease_s: float, wait_s: float, waiters: int) -> str:
        ends = self._clock() + min(wait_s, deadline.left())
        place: str | None = None
        try:
            for attempt in range(1_000_000):
                lease = _entry(self._clock() + lease_s, holder)
                if self._take(name, limit, lease, place):
                    place = None
                    return lease
                held = self._read(name)
                if lease in held.leases:  # taken: the answer was lost, and the SDK's second sending found it done
                    place = None
                    return lease
                now = self._clock()
                if over := _over(held.leases, now):
                    self._update(name, [_leases.delete(over)])
                    if len(held.leases) - len(over) < limit.at_once and held.next_ms <= now * 1000:
                        continue
                if now >= ends:
                    raise _busy(name, held, limit, now)
                if place is None:
                    place = self._queued(name, holder, held, ends, waiters)
                    if place is None:
                        raise _busy(name, held, limit, now)
                # Not before the next may begin at all, not much after that, and never beyond the end.
                pause = max(_LOOKS.wait(attempt, self._uniform), min(held.next_ms / 1000 - now, ends - now))
                self._sleep(max(0.01, min(pause, ends - now)))
            raise AssertionError("unreachable: every turn of this loop takes time")
        finally:
            if place is not None:
                self._quietly(name, [_queue.delete({place})])

    def _take(self, name: str, limit: Limit, lease: str, place: str | None) -> bool:
        """The one write of the usual case: a free slot is taken, and a place in the queue given up with it."""
        actions: list[Action] = [_leases.add({lease})]
        free: Condition = _leases.does_not_exist() | (size(_leases) < limit.at_once)
        if limit.every_s:
            now_ms, pause_ms = round(self._clock() * 1000), round(limit.every_s * 1000)
            actions.append(_next_ms.set(now_ms + pause_ms))
            free &= _next_ms.does_not_exist() | (_next_ms <= now_ms) | (_next_ms > now_ms + pause_ms)
        if place is not None:
            actions.append(_queue.delete({place}))
        return self._update(name, actions, free)

    def _queued(self, name: str, holder: str, held: _Held, ends: float, waiters: int) -> str | None:
        """A place among those who wait; None when there is none."""
        place = _entry(ends + 5.0, holder)
        room = _queue.does_not_exist() | (size(_queue) < waiters)
        if self._update(name, [_queue.add({place})], room):
            return place
        if over := _over(held.queue, self._clock()):
            self._update(name, [_queue.delete(over)])
            if self._update(name, [_queue.add({place})], room):
                return place
        return None

    def _update(self, name: str, actions: list[Action], unless_lost: Condition | None = None) -> bool:
        try:
            self._connection().update_item(_key(name), "SLOTS", actions=actions, condition=unless_lost)
        except PynamoDBException as error:
            if lost_condition(error):
                return False
            raise
        return True

    def _quietly(self, name: str, actions: list[Action]) -> None:
        """What expires by itself when it cannot be given back."""
        try:
            self._update(name, actions)
        except _AWAY as error:
            logger.warning("limit %s: a slot will be free when its lease expires (%r)", name, error)

    def _read(self, name: str) -> _Held:
        answer: dict[str, Any] = self._connection().get_item(_key(name), "SLOTS", consistent_read=True) or {}
        item = answer.get("Item", {})
        return _Held(
            frozenset(item.get("leases", {}).get("SS", ())),
            frozenset(item.get("queue", {}).get("SS", ())),
            int(item.get("next_ms", {}).get("N", 0)),
        )


class _Alone:
    """The limits of this process by itself, for as long as the shared ones cannot be asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._next: dict[str, float] = {}

    @contextmanager
    def slot(self, name: str, limit: Limit) -> Iterator[None]:
        now = self._clock()
        with self._lock:
            due = self._next.get(name, 0.0)
            if self._running[name] >= limit.at_once or now < due <= now + limit.every_s:
                raise Busy(f"{name} is at its limit.", retry_after=max(1.0, due - now))
            self._running[name] += 1
            self._next[name] = now + limit.every_s
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1


def _busy(name: str, held: _Held, limit: Limit, now: float) -> Busy:
    """When to come back: once the next may begin; as for slots, nobody knows how long their holders need."""
    begins = held.next_ms / 1000 - now
    return Busy(f"{name} is at its limit.", retry_after=begins if 1.0 < begins <= limit.every_s else 1.0)


def _entry(expires: float, holder: str) -> str:
    return f"{round(expires * 1000)}:{holder}"


def _over(entries: frozenset[str], now: float) -> set[str]:
    """Those that have expired, or never could have been written by a clock that is right."""
    now_ms = now * 1000
    return {one for one in entries if not now_ms < int(one.partition(":")[0]) <= now_ms + _LONGEST_LEASE_MS}


def _key(name: str) -> str:
    return f"LIMIT#{name}"
