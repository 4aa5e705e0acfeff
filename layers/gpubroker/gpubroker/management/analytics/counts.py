"""Where events of analytics are kept and counted: the event, its hour's counter and its day's are one write, so that
what was accepted is counted once. Counters are spread, since one type may come very often."""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.management.analytics.items import CountItem, EventItem, TypeItem, TypesItem
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import transaction

Granularity = Literal["hour", "day"]

SHARDS = 4
MOST_TYPES = 500
KEPT = timedelta(days=90)
COUNTS_KEPT = timedelta(days=400)
LONGEST: dict[Granularity, timedelta] = {"hour": timedelta(days=31), "day": timedelta(days=366)}
"""How much may be asked for at once: at most 744 and 366 counts."""


class TooManyTypes(Conflict):
    code = "too-many-event-types"
    title = "No further types of analytics events can be counted"


class _Known(Exception):
    """Somebody else told of this type first."""


class Analytics:
    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(
        self,
        event_type: str,
        text: str,
        *,
        event_id: str,
        now: datetime,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Keep and count an event. Raises TooManyTypes, AlreadyDone."""
        self._know(event_type, now)
        shard = zlib.crc32(event_id.encode()) % SHARDS
        day = _start(now, "day")
        gone, counted_until = int((now + KEPT).timestamp()), int((now + COUNTS_KEPT).timestamp())
        with transaction(EventItem) as tx:
            stored.remember(tx, EventItem, idempotency, answer)
            pk = f"ANALYTICS#EVENT#{event_type}#{day:%Y-%m-%d}"
            event = EventItem(pk=pk, sk=f"{iso(now)}#{event_id}", text=text, expires_at=gone)
            tx.put(event, condition=EventItem.pk.does_not_exist())
            for granularity in LONGEST:
                counter = CountItem(pk=_pk(event_type, granularity), sk=f"{_slot(now, granularity)}#{shard}")
                tx.update(counter, actions=[CountItem.events.add(1), CountItem.expires_at.set(counted_until)])

    def counts(
        self, event_type: str, granularity: Granularity, since: datetime, until: datetime
    ) -> list[tuple[datetime, int]]:
        """How many came in each hour or day that [since, until) touches, zeros included."""
        first, sums = _start(since, granularity), defaultdict[str, int](int)
        among = CountItem.sk.between(f"{_slot(first, granularity)}#", f"{_slot(until, granularity)}#~")
        for item in CountItem.query(_pk(event_type, granularity), among, consistent_read=True):
            sums[item.sk.partition("#")[0]] += int(item.events)
        return [(slot, sums[_slot(slot, granularity)]) for slot in _slots(first, until, granularity)]

    def types(self) -> list[str]:
        """All types that were ever told of, in their order."""
        return [item.sk for item in TypeItem.query("ANALYTICS#TYPE", consistent_read=True)]

    def _know(self, event_type: str, now: datetime) -> None:
        """Types are never forgotten, so a warm function asks once for each."""
        if event_type in self._known:
            return
        try:
            TypeItem.get("ANALYTICS#TYPE", event_type, consistent_read=True)
        except DoesNotExist:
            self._register(event_type, now)
        self._known.add(event_type)

    def _register(self, event_type: str, now: datetime) -> None:
        full = TooManyTypes(f"eventType: there are {MOST_TYPES} types already, and {event_type} is not one of them.")
        try:
            with transaction(TypeItem) as tx:
                one = TypeItem(pk="ANALYTICS#TYPE", sk=event_type, first_at=iso(now))
                tx.put(one, condition=TypeItem.pk.does_not_exist(), lost=_Known)
                tx.update(
                    TypesItem(pk="ANALYTICS", sk="TYPES"),
                    actions=[TypesItem.count.add(1)],
                    condition=TypesItem.count.does_not_exist() | (TypesItem.count < MOST_TYPES),
                    lost=full,
                )
        except _Known:
            return


def _pk(event_type: str, granularity: Granularity) -> str:
    return f"ANALYTICS#{granularity.upper()}#{event_type}"


def _start(moment: datetime, granularity: Granularity) -> datetime:
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment if granularity == "hour" else moment.replace(hour=0)


def _slot(moment: datetime, granularity: Granularity) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H}" if granularity == "hour" else f"{moment.astimezone(UTC):%Y-%m-%d}"


def _step(granularity: Granularity) -> timedelta:
    return timedelta(hours=1) if granularity == "hour" else timedelta(days=1)


def _slots(first: datetime, until: datetime, granularity: Granularity) -> Iterator[datetime]:
    while first < until:
        yield first
        first += _step(granularity)
