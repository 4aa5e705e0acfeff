"""Where settlements are kept. A settlement, its facts, its transaction, and the money it moves are one write."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.facts import Fact
from gpubroker.management.settlement.items import (
    OrderItem,
    PayeeItem,
    PayoutItem,
    ReceiptItem,
    ReceivableItem,
    SettlementItem,
)
from gpubroker.management.settlement.payouts.payout import Payout
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.ports import Funds
from gpubroker.management.settlement.receipts import Receipt
from gpubroker.management.settlement.results import PayoutStep
from gpubroker.management.settlement.rules import Rule, Step
from gpubroker.management.settlement.settlement import Settlement
from gpubroker.management.settlement.transactions import Transactions
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

_TRIES = 12
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5

SOURCE = "management"
Answer = Callable[[Settlement], dict[str, Any]]


class SettlementNotFound(NotFound):
    code = "settlement-not-found"
    title = "There is no such settlement"


class PayoutNotFound(NotFound):
    code = "payout-not-found"
    title = "There is no such payout"


class Settlements:
    def __init__(
        self,
        *,
        funds: Funds,
        transactions: Transactions,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._funds, self._transactions = funds, transactions
        self._sleep, self._jitter = sleep, jitter

    # ------------------------------------------------------------ reading

    def find(self, buyer: str, transaction_id: str) -> Settlement | None:
        """One strongly consistent read."""
        try:
            item = SettlementItem.get(SettlementItem.partition(buyer), transaction_id, consistent_read=True)
        except DoesNotExist:
            return None
        return item.value()

    def of(self, buyer: str, transaction_id: str) -> Settlement:
        """Raises SettlementNotFound."""
        found = self.find(buyer, transaction_id)
        if found is None:
            raise SettlementNotFound(f"Transaction {transaction_id} was not settled, and nobody asked for it.")
        return found

    def of_order(self, buyer: str, order_id: str) -> list[Settlement]:
        """The settlements of an order's transactions, by their ids."""
        found = OrderItem.query(OrderItem.partition(buyer, order_id), consistent_read=True)
        return [self.of(buyer, item.sk) for item in found]

    def due(self, now: datetime, *, limit: int = 200) -> Iterator[tuple[str, str]]:
        """(buyer, transaction id) of what must be looked after by now, at most `limit` a shard."""
        for pk, transaction_id in SettlementItem.due_by(now, limit=limit):
            yield pk.rpartition("#")[0], transaction_id

    def receipts_of(self, settlement: Settlement) -> list[Receipt]:
        """All its documents, the oldest first."""
        wanted = set(settlement.receipts)
        keys = [
            (ReceiptItem.partition(party), one) for one in wanted for party in (settlement.buyer, settlement.seller)
        ]
        found = [item.value() for item in ReceiptItem.batch_get(keys, consistent_read=True)] if keys else []
        return sorted(found, key=lambda one: settlement.receipts.index(one.receipt_id))

    def payout(self, payout_id: str) -> Payout:
        """Raises PayoutNotFound."""
        try:
            return PayoutItem.get(*PayoutItem.key(payout_id), consistent_read=True).value()
        except DoesNotExist:
            raise PayoutNotFound(f"There is no payout {payout_id}.") from None

    def payee(self, seller: str) -> Payee:
        """How a seller is paid; on its account, where nothing else was said."""
        try:
            return PayeeItem.get(PayeeItem.partition(seller), "PAYEE", consistent_read=True).value()
        except DoesNotExist:
            return Payee(seller)

    def owed_by(self, seller: str) -> MicroUsd:
        """What a seller owes the house."""
        key = ReceivableItem.here(seller)
        try:
            return int(ReceivableItem.get(key.pk, key.sk, consistent_read=True).micros)
        except DoesNotExist:
            return 0

    # ------------------------------------------------------------ writing

    def create(self, step: Step) -> Settlement:
        """Write a new settlement. Raises StaleVersion when there is one already."""
        with self._funds.refusals(), transaction(SettlementItem, backoff=PATIENT) as tx:
            tx.put(SettlementItem.of(step.settlement), condition=SettlementItem.pk.does_not_exist())
            tx.put(OrderItem.of(step.settlement))
            self._add(tx, step)
        return step.settlement

    def change(
        self,
        buyer: str,
        transaction_id: str,
        rule: Rule,
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Settlement:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        The rule is asked anew each time, so whatever it reads is of that time. One that changes nothing writes nothing,
        unless there is a key to remember. Raises SettlementNotFound, FundsRefused, AlreadyDone, what the rule raises.
        """
        for attempt in range(_TRIES):
            before = self.of(buyer, transaction_id)
            step = rule(before)
            if step.settlement is before and not _writes(step) and idempotency is None:
                return before
            try:
                return self._save(before, step, idempotency, answer)
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable(f"The settlement of {transaction_id} is changing too fast; try again.", retry_after=1)

    def change_payout(self, payout_id: str, rule: Callable[[Payout], PayoutStep | None]) -> Payout:
        """The same for a payout alone; None changes nothing. Raises PayoutNotFound and FundsRefused."""
        for attempt in range(_TRIES):
            before = self.payout(payout_id)
            step = rule(before)
            if step is None:
                return before
            try:
                with self._funds.refusals(), transaction(PayoutItem, backoff=PATIENT) as tx:
                    for movement in step.movements:
                        self._funds.add(tx, movement)
                    _add_payouts(tx, (step.payout,))
                    _tell(tx, step.facts)
                return step.payout
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable(f"{payout_id} is changing too fast; try again.", retry_after=1)

    def save_payee(self, payee: Payee, *told: Fact) -> Payee:
        """Write how a seller is paid, and its facts. Raises StaleVersion."""
        saved = replace(payee, version=payee.version + 1)
        condition = PayeeItem.version == payee.version if payee.version else PayeeItem.pk.does_not_exist()
        with transaction(PayeeItem) as tx:
            tx.put(PayeeItem.of(saved), condition=condition)
            _tell(tx, told)
        return saved

    def _save(
        self, before: Settlement, step: Step, idempotency: Idempotency | None, answer: Answer | None
    ) -> Settlement:
        after = replace(step.settlement, version=before.version + 1)
        with self._funds.refusals(), transaction(SettlementItem, backoff=PATIENT) as tx:
            stored.remember(tx, SettlementItem, idempotency, answer(after) if answer and idempotency else {})
            tx.put(SettlementItem.of(after), condition=SettlementItem.version == before.version)
            self._add(tx, step)
        return after

    def _add(self, tx: Writes, step: Step) -> None:
        settlement = step.settlement
        for movement in step.movements:
            self._funds.add(tx, movement)
        if step.becomes is not None:
            at = settlement.changes[-1].at
            self._transactions.add_status(tx, settlement.buyer, settlement.transaction_id, step.becomes, at)
        if step.volume and settlement.settled_at is not None:
            amount = step.volume * settlement.shares.amount
            self._transactions.add_settled(tx, settlement.buyer, settlement.seller, amount, settlement.settled_at)
        _add_owed(tx, settlement.seller, step.owed)
        _add_payouts(tx, step.payouts)
        for receipt in step.receipts:
            tx.put(ReceiptItem.of(receipt), condition=ReceiptItem.pk.does_not_exist())
        _tell(tx, step.facts)


def _tell(tx: Writes, facts: Iterable[Fact]) -> None:
    for fact in facts:
        tx.put(outbox_item(SettlementItem, fact.event(), source=SOURCE))


def _writes(step: Step) -> bool:
    return bool(step.facts or step.movements or step.payouts)


def _add_owed(tx: Writes, seller: str, more: MicroUsd) -> None:
    if more:
        # What is collected was owed when it was read; less is owed now if another settlement was first.
        condition = ReceivableItem.micros >= -more if more < 0 else None
        tx.update(ReceivableItem.here(seller), actions=[ReceivableItem.micros.add(more)], condition=condition)


def _add_payouts(tx: Writes, payouts: Iterable[Payout]) -> None:
    for payout in payouts:
        new = payout.version == 1
        condition = PayoutItem.pk.does_not_exist() if new else PayoutItem.version == payout.version - 1
        tx.put(PayoutItem.of(payout), condition=condition)
