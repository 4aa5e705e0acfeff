"""Where alerts are kept. An alert, its entries in the index, its tenant's count, its facts and the idempotency record
are one write."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import orjson
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.errors import Conflict, NotFound, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock
from gpubroker.prices.alerts import facts
from gpubroker.prices.alerts.alert import Alert
from gpubroker.prices.alerts.caps import ALERTS, AlertCapReached
from gpubroker.prices.alerts.index import Range, entries_of
from gpubroker.prices.alerts.items import AlertItem, CountItem, PageItem, WatchItem, alerts_pk
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, Writes, transaction

_TRIES = 8
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5
_MOST_REMOVED = 25  # expired alerts at a time, so that a request that makes room stays a short one
_PAGES_KEPT_SECONDS = 14 * 24 * 3600

Rule = Callable[[Alert], tuple[Alert, tuple[Event, ...]]]
Answer = Callable[[Alert], dict[str, Any]]


class AlertNotFound(NotFound):
    code = "alert-not-found"
    title = "There is no such alert"

    @classmethod
    def of(cls, alert_id: str) -> "AlertNotFound":
        return cls(f"There is no alert {alert_id}.")


class AlreadyTold(Conflict):
    """The fact was written before."""


class Alerts:
    def __init__(
        self,
        *,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._clock, self._sleep, self._jitter = clock, sleep, jitter

    def create(
        self,
        alert: Alert,
        told: tuple[Event, ...],
        plan: Plan,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Write a new alert, or nothing. Raises AlertCapReached, AlreadyDone.

        Expired alerts stay for their owner to see, and make room when the cap is reached.
        """
        try:
            self._create(alert, told, plan, idempotency, answer)
        except AlertCapReached:
            if not self._made_room(alert.tenant):
                raise
            self._create(alert, told, plan, idempotency, answer)

    def _create(
        self,
        alert: Alert,
        told: tuple[Event, ...],
        plan: Plan,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        cap = ALERTS[plan]
        with transaction(AlertItem) as tx:
            stored.remember(tx, AlertItem, idempotency, answer)
            tx.put(AlertItem.of(alert), condition=AlertItem.pk.does_not_exist())
            tx.update(
                CountItem.of(alert.tenant),
                actions=[CountItem.alerts.add(1)],
                condition=CountItem.alerts.does_not_exist() | (CountItem.alerts < cap),
                lost=AlertCapReached.of(plan),
            )
            _move_entries(tx, None, alert)
            _tell(tx, told)

    def _made_room(self, tenant: str) -> bool:
        now = self._clock()
        expired = [alert for alert in self.newest_of(tenant, max(ALERTS.values())) if alert.expired(now)]
        for alert in expired[-_MOST_REMOVED:]:  # the oldest
            self._remove(alert)
        return bool(expired)

    def of(self, tenant: str, alert_id: str) -> Alert:
        """One strongly consistent read. Raises AlertNotFound, for another tenant's alert too."""
        try:
            return AlertItem.get(alerts_pk(tenant), alert_id, consistent_read=True).value()
        except DoesNotExist:
            raise AlertNotFound.of(alert_id) from None

    def newest_of(self, tenant: str, limit: int, *, before: str | None = None) -> list[Alert]:
        """Alerts of a tenant, the newest first, from before the alert id `before` on."""
        condition = AlertItem.sk < before if before else None
        found = AlertItem.query(
            alerts_pk(tenant), condition, scan_index_forward=False, limit=limit, page_size=limit, consistent_read=True
        )
        return [item.value() for item in found]

    def change(
        self,
        tenant: str,
        alert_id: str,
        rule: Rule,
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Alert:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        A rule that changes nothing writes nothing, unless there is an idempotency key to remember.
        Raises AlreadyTold when a fact of the rule's was written before.
        """
        for attempt in range(_TRIES):
            before = self.of(tenant, alert_id)
            after, told = rule(before)
            if after is before and not told and idempotency is None:
                return before
            after = replace(after, version=before.version + 1)
            try:
                with transaction(AlertItem) as tx:
                    if idempotency is not None and answer is not None:
                        stored.remember(tx, AlertItem, idempotency, answer(after))
                    tx.put(AlertItem.of(after), condition=AlertItem.version == before.version)
                    _move_entries(tx, before, after)
                    _tell(tx, told)
                return after
            except StaleVersion:
                self._rest(attempt)
        raise Unavailable(f"{alert_id} is changing too fast; try again.", retry_after=1)

    def remove(self, tenant: str, alert_id: str) -> None:
        """Forget an alert. Raises AlertNotFound."""
        for attempt in range(_TRIES):
            if self._remove(self.of(tenant, alert_id)):
                return
            self._rest(attempt)
        raise Unavailable(f"{alert_id} is changing too fast; try again.", retry_after=1)

    def _remove(self, alert: Alert) -> bool:
        try:
            with transaction(AlertItem) as tx:
                tx.delete(AlertItem.of(alert), condition=AlertItem.version == alert.version)
                tx.update(CountItem.of(alert.tenant), actions=[CountItem.alerts.add(-1)])
                _move_entries(tx, alert, None)
        except StaleVersion:
            return False
        return True

    def _rest(self, attempt: int) -> None:
        self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))

    # ------------------------------------------------------------ the index

    def watching(self, wanted: Range) -> Iterable[tuple[str, str]]:
        """(entry's key, tenant) of each alert with its threshold in the range, in order of thresholds.

        Strongly consistent: an alert that was answered with 201 is found by the very next change. One Query a megabyte.
        """
        for item in WatchItem.query(wanted.partition, WatchItem.sk.between(*wanted.keys), consistent_read=True):
            yield item.sk, item.tenant

    # ------------------------------------------------------------ pages of a fan-out

    def keep_pages(self, fan_out: str, pages: Iterable[dict[str, Any]]) -> int:
        """Write the pages of a fan-out, which nobody else writes. Gives how many there are."""
        number = -1
        until = int(self._clock().timestamp()) + _PAGES_KEPT_SECONDS
        with PageItem.batch_write() as batch:
            for number, page in enumerate(pages):
                text = orjson.dumps(page).decode()
                batch.save(PageItem(f"FANOUT#{fan_out}", _page_key(number), page=text, expires_at=until))
        return number + 1

    def page(self, fan_out: str, number: int) -> dict[str, Any]:
        """One page as it was written. Raises DoesNotExist two weeks later."""
        item = PageItem.get(f"FANOUT#{fan_out}", _page_key(number), consistent_read=True)
        page: dict[str, Any] = orjson.loads(item.page)
        return page


def _page_key(number: int) -> str:
    return f"PAGE#{number:06d}"


def _move_entries(tx: Writes, before: Alert | None, after: Alert | None) -> None:
    """Make the index say what the alert says: entries that are not its any more go, its own have its expiry."""
    old = entries_of(before) if before else ()
    new = entries_of(after) if after else ()
    kept = set(new)
    for pk, sk in old:
        if (pk, sk) not in kept:
            tx.delete(WatchItem(pk, sk))
    if after is None or (before is not None and old == new and before.expires_at == after.expires_at):
        return
    expires_at = int(after.expires_at.timestamp()) + 1 if after.expires_at else None
    for pk, sk in new:
        tx.put(WatchItem(pk, sk, tenant=after.tenant, expires_at=expires_at))


def _tell(tx: Writes, told: tuple[Event, ...]) -> None:
    for event in told:
        item = outbox_item(AlertItem, event, source=facts.SOURCE)
        tx.put(item, condition=type(item).pk.does_not_exist(), lost=AlreadyTold)
