"""Where the metrics are counted: the mark of a fact, its day's counters, and who paid for the first time in a day or a
month are one transaction. So a fact counts once, however often it is brought, and a payer is counted once."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from gpubroker.kernel.errors import Conflict, Unavailable
from gpubroker.kernel.time import Clock
from gpubroker.management.economics.items import SHARDS, MarkItem, PaidItem, SpanItem
from gpubroker.management.economics.measures import METRICS, Measured
from gpubroker.storage.transaction import AlreadyDone, transaction

MARKS_KEPT = timedelta(days=60)
"""Longer than any queue on the way keeps a fact (14 days in a failure queue, twice, and time to mend)."""
PAYERS_KEPT = timedelta(days=400)
_TRIES = 5
_SEEN = 50_000


class _PaidBefore(Conflict):
    """Another fact counted this payer first."""


def day_name(day: date) -> str:
    return f"DAY#{day.isoformat()}"


def month_name(day: date) -> str:
    return f"MONTH#{day.isoformat()[:7]}"


class Economics:
    """The counters. Remembers which payers are counted already, so that most facts cost no read."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._paid: dict[tuple[str, str], None] = {}

    def count(self, fact: Measured) -> bool:
        """Count a fact; False when it was counted before."""
        for _ in range(_TRIES):
            new = [
                (account, span)
                for account in sorted(fact.payers)
                for span in (day_name(fact.day), month_name(fact.day))
                if not self._has_paid(account, span)
            ]
            try:
                self._write(fact, new)
            except AlreadyDone:
                return False
            except _PaidBefore:
                continue
            for key in new:
                self._remember(key)
            return True
        raise Unavailable("The payers of the day are changing too fast.", retry_after=1)

    def _write(self, fact: Measured, new: list[tuple[str, str]]) -> None:
        now = self._clock()
        day, month = day_name(fact.day), month_name(fact.day)
        payers = {span: sum(1 for _, one in new if one == span) for span in (day, month)}
        actions: list[Action] = [getattr(SpanItem, name).add(amount) for name, amount in sorted(fact.amounts.items())]
        if payers[day]:
            actions.append(SpanItem.payers.add(payers[day]))
        with transaction(SpanItem) as tx:
            mark = MarkItem.of(fact.event_id, expires_at=_later(now, MARKS_KEPT))
            tx.put(mark, condition=MarkItem.pk.does_not_exist(), lost=AlreadyDone)
            for account, span in new:
                paid = PaidItem.of(account, span, expires_at=_later(now, PAYERS_KEPT))
                tx.put(paid, condition=PaidItem.pk.does_not_exist(), lost=_PaidBefore)
            if actions:
                tx.update(SpanItem.of(fact.event_id, day), actions=actions)
            if payers[month]:
                tx.update(SpanItem.of(fact.event_id, month), actions=[SpanItem.payers.add(payers[month])])

    def _has_paid(self, account: str, span: str) -> bool:
        key = account, span
        if key in self._paid:
            return True
        item = PaidItem.of(account, span)
        try:
            PaidItem.get(item.pk, item.sk, consistent_read=True)
        except DoesNotExist:
            return False
        self._remember(key)
        return True

    def _remember(self, key: tuple[str, str]) -> None:
        if len(self._paid) >= _SEEN:
            self._paid.clear()
        self._paid[key] = None

    def days(self, since: date, until: date) -> dict[date, dict[str, int]]:
        """Every day of [since, until), with zeros: each metric and `payers`. A Query a shard."""
        found = {day: dict.fromkeys((*METRICS, "payers"), 0) for day in _days(since, until)}
        for item in _spans(day_name(since), day_name(until - timedelta(days=1))):
            counted = found[date.fromisoformat(item.sk.removeprefix("DAY#"))]
            for name in counted:
                counted[name] += item.counted(name)
        return found

    def payers_of_months(self, since: date, until: date) -> dict[str, int]:
        """How many accounts paid in each month that has days in [since, until), by `2026-07`; none is left out."""
        found: dict[str, int] = {}
        for item in _spans(month_name(since), month_name(until - timedelta(days=1))):
            month = item.sk.removeprefix("MONTH#")
            found[month] = found.get(month, 0) + item.counted("payers")
        return found


def _spans(first: str, last: str) -> Iterator[SpanItem]:
    for shard in range(SHARDS):
        yield from SpanItem.query(SpanItem.partition(shard), SpanItem.sk.between(first, last), consistent_read=True)


def _days(since: date, until: date) -> Iterator[date]:
    while since < until:
        yield since
        since += timedelta(days=1)


def _later(now: datetime, span: timedelta) -> int:
    return int((now + span).timestamp())
