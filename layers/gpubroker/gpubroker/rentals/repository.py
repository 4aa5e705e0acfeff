"""Where rentals are kept. A rental, its facts, its tenant's counters and the idempotency record are one write."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.rentals.caps import LIMITS, CapReached, difference
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.items import CapsItem, OwnerItem, RentalItem, SwitchItem, rental_pk
from gpubroker.rentals.labels import common_label
from gpubroker.rentals.ports import Funds, OwnAccounts, Payer
from gpubroker.rentals.rental import Holding, Rental
from gpubroker.rentals.rules import Change
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

_TRIES = 12
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5

Answer = Callable[[Rental], dict[str, Any]]


class RentalNotFound(NotFound):
    code = "rental-not-found"
    title = "There is no such rental"


class RentalsStopped(Unavailable):
    code = "rentals-stopped"
    title = "New rentals are stopped at the moment"


@dataclass(frozen=True, slots=True)
class Switch:
    """The stop switch: while `stopped`, nothing new is rented; what runs, runs on and can be ended."""

    stopped: bool
    reason: str | None = None
    by: str | None = None
    at: str | None = None


class Rentals:
    def __init__(
        self,
        *,
        accounts: OwnAccounts | None = None,
        funds: Funds | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        """accounts: needed where rentals on a customer's own account are made or settled; funds: where others are
        written at all."""
        self._accounts, self._funds, self._sleep, self._jitter = accounts, funds, sleep, jitter

    def create(
        self,
        rental: Rental,
        facts: tuple[Fact, ...],
        *,
        payer: Payer | None = None,
        idempotency: Idempotency | None,
        answer: Answer,
    ) -> Rental:
        """Write a new rental and hold its payer's money, or nothing.

        Raises RentalsStopped, CapReached, IntegrationGone, AlreadyDone, and what the money is refused with.
        """
        with transaction(RentalItem, backoff=PATIENT) as tx:
            _refuse_while_stopped(tx)
            stored.remember(tx, RentalItem, idempotency, answer(rental) if idempotency else {})
            tx.put(RentalItem.of(rental), condition=RentalItem.pk.does_not_exist())
            tx.put(OwnerItem.of(rental), condition=OwnerItem.pk.does_not_exist())
            _count(tx, rental, Holding(), rental.held)
            if payer is not None:
                self._money().hold(tx, rental.rental_id, payer, rental.funds)
            if rental.integration is not None:
                provider, label = rental.offer.provider, common_label(rental)
                self._own_accounts().take(tx, rental.tenant, provider, rental.rental_id, label)
            _tell(tx, rental, facts)
        return rental

    def of(self, tenant: str, rental_id: str) -> Rental:
        """One strongly consistent read. Raises RentalNotFound, for another tenant's rental too."""
        try:
            return RentalItem.get(rental_pk(tenant), rental_id, consistent_read=True).value()
        except DoesNotExist:
            raise RentalNotFound(f"There is no rental {rental_id}.") from None

    def newest_of(self, tenant: str, limit: int, *, before: str | None = None) -> list[Rental]:
        """Rentals of a tenant, the newest first, from before the rental id `before` on."""
        condition = RentalItem.sk < before if before else None
        found = RentalItem.query(
            rental_pk(tenant), condition, scan_index_forward=False, limit=limit, page_size=limit, consistent_read=True
        )
        return [item.value() for item in found]

    def tenant_of(self, rental_id: str) -> str:
        """The tenant of a rental. Raises RentalNotFound."""
        try:
            return str(OwnerItem.get(f"RENTAL#{rental_id}", "OWNER", consistent_read=True).tenant)
        except DoesNotExist:
            raise RentalNotFound(f"There is no rental {rental_id}.") from None

    def change(
        self,
        tenant: str,
        rental_id: str,
        rule: Change,
        *,
        new_instances: bool = False,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Rental:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        A rule that changes nothing writes nothing, unless there is an idempotency key to remember.
        new_instances: the change makes some, so the stop switch applies.
        """
        for attempt in range(_TRIES):
            before = self.of(tenant, rental_id)
            after, facts = rule(before)
            if after is before and not facts and idempotency is None:
                return before
            try:
                return self._save(before, after, facts, new_instances, idempotency, answer)
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable(f"{rental_id} is changing too fast; try again.", retry_after=1)

    def _save(
        self,
        before: Rental,
        after: Rental,
        facts: tuple[Fact, ...],
        new_instances: bool,
        idempotency: Idempotency | None,
        answer: Answer | None,
    ) -> Rental:
        after = replace(after, version=before.version + 1)
        with transaction(RentalItem, backoff=PATIENT) as tx:
            if new_instances:
                _refuse_while_stopped(tx)
            if idempotency is not None and answer is not None:
                stored.remember(tx, RentalItem, idempotency, answer(after))
            tx.put(RentalItem.of(after), condition=RentalItem.version == before.version, lost=StaleVersion)
            _count(tx, after, before.held, after.held)
            self._fund(tx, before, after)
            if after.integration is not None and after.phase.over and not before.phase.over:
                self._own_accounts().release(tx, after.tenant, after.offer.provider, after.rental_id)
            _tell(tx, after, facts)
        return after

    def _fund(self, tx: Writes, before: Rental, after: Rental) -> None:
        """Let the hold follow the rental: more or less of it, then what it cost, or nothing."""
        if after.payer is None or before.funds == after.funds:
            return
        cost = (after.final_cost_micros or 0) if after.phase.over else 0
        if after.funds:
            self._money().adjust(tx, after.rental_id, after.payer, after.funds)
        elif cost:
            self._money().capture(tx, after.rental_id, after.payer, cost)
        else:
            self._money().release(tx, after.rental_id, after.payer)

    def _money(self) -> Funds:
        if self._funds is None:
            raise RuntimeError("rentals that are paid for are written elsewhere")
        return self._funds

    def _own_accounts(self) -> OwnAccounts:
        if self._accounts is None:
            raise RuntimeError("rentals on customers' own accounts are made and settled elsewhere")
        return self._accounts

    def due(self, now: datetime, *, limit: int = 200) -> Iterator[tuple[str, str]]:
        """(tenant, rental id) of what must be looked at by now, at most `limit` a shard, the most urgent first."""
        for pk, rental_id in RentalItem.due_by(now, limit=limit):
            yield pk.rpartition("#")[0], rental_id

    def open_rentals(self) -> Iterator[Rental]:
        """All rentals that are not over, by the index (which may lag a moment) and then the items themselves."""
        for item in RentalItem.batch_get(list(RentalItem.all_due()), consistent_read=True):
            yield item.value()

    def held_by(self, tenant: str) -> Holding:
        """What counts against the tenant's caps now."""
        key = CapsItem.of(tenant)
        try:
            item = CapsItem.get(key.pk, key.sk, consistent_read=True)
        except DoesNotExist:
            return Holding()
        return Holding(int(item.rentals), int(item.instances), int(item.micros))

    def switch(self) -> Switch:
        key = SwitchItem.here()
        try:
            item = SwitchItem.get(key.pk, key.sk, consistent_read=True)
        except DoesNotExist:
            return Switch(False)
        return Switch(bool(item.stopped), item.reason, item.by, item.at)

    def set_switch(self, stopped: bool, *, reason: str | None, by: Caller, now: datetime) -> Switch:
        item = SwitchItem.here()
        item.stopped, item.reason, item.by, item.at = stopped, reason, by.subject, iso(now)
        with transaction(RentalItem) as tx:
            tx.put(item)
        return Switch(stopped, reason, by.subject, item.at)


def _refuse_while_stopped(tx: Writes) -> None:
    running: Condition = SwitchItem.stopped.does_not_exist() | (SwitchItem.stopped == False)  # noqa: E712
    tx.check(SwitchItem.here(), running, lost=RentalsStopped(retry_after=300))


def _count(tx: Writes, rental: Rental, before: Holding, after: Holding) -> None:
    """Move the tenant's counters by what this write takes or gives back; taking more is refused past the caps."""
    delta = difference(before, after)
    if delta == Holding():
        return
    limits = LIMITS[rental.plan]
    conditions: list[Condition] = []
    for attribute, more, limit in (
        (CapsItem.rentals, delta.rentals, limits.rentals),
        (CapsItem.instances, delta.instances, limits.instances),
        (CapsItem.micros, delta.micros, limits.micros),
    ):
        if more > limit:
            raise CapReached.of(rental.plan)
        if more > 0:
            conditions.append(attribute.does_not_exist() | (attribute <= limit - more))
    condition = conditions[0] if conditions else None
    for one in conditions[1:]:
        condition = condition & one
    tx.update(
        CapsItem.of(rental.tenant),
        actions=[
            CapsItem.rentals.add(delta.rentals),
            CapsItem.instances.add(delta.instances),
            CapsItem.micros.add(delta.micros),
        ],
        condition=condition,
        lost=CapReached.of(rental.plan),
    )


def _tell(tx: Writes, rental: Rental, facts: tuple[Fact, ...]) -> None:
    for fact in facts:
        tx.put(outbox_item(RentalItem, fact.event(rental), source="rentals"))
