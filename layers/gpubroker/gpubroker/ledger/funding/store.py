"""Where deposits and withdrawals are kept: each change with its facts, and with what it does to the book, in one
transaction."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger import facts
from gpubroker.ledger.funding.deposit import Deposit, DepositNotFound
from gpubroker.ledger.funding.items import OPEN, DepositItem, WithdrawalItem
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalNotFound
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.table import Item
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

_TRIES = 12
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5

Also = Callable[[Writes], object]
"""What else belongs into the transaction: the book's part."""


class Deposits:
    def __init__(self, *, sleep: Callable[[float], None] = time.sleep):
        self._sleep = sleep

    def create(self, deposit: Deposit, told: Event, *, idempotency: Idempotency, answer: dict[str, Any]) -> None:
        """Raises AlreadyDone."""
        with transaction(DepositItem) as tx:
            stored.remember(tx, DepositItem, idempotency, answer, for_ever=True)
            tx.put(DepositItem.of(deposit), condition=DepositItem.pk.does_not_exist())
            _tell(tx, DepositItem, told)

    def of(self, account_id: str, deposit_id: str) -> Deposit:
        """One strongly consistent read. Raises DepositNotFound, for another account's too."""
        key = DepositItem.at(account_id, deposit_id)
        try:
            return DepositItem.get(key.pk, key.sk, consistent_read=True).value()
        except DoesNotExist:
            raise DepositNotFound(f"There is no deposit {deposit_id} on {account_id}.") from None

    def newest_of(self, account_id: str, limit: int, *, before: str | None = None) -> list[Deposit]:
        """Deposits of an account, the newest first, from before an id on."""
        condition = DepositItem.sk < before if before else None
        found = DepositItem.query(
            DepositItem.at(account_id, "").pk,
            condition,
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [item.value() for item in found]

    def change(
        self,
        account_id: str,
        deposit_id: str,
        rule: Callable[[Deposit], Deposit],
        *,
        also: Callable[[Writes], object] | None = None,
    ) -> Deposit:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        A rule that changes nothing writes nothing, unless something else belongs to it (`also`).
        """
        for attempt in range(_TRIES):
            before = self.of(account_id, deposit_id)
            after = rule(before)
            if after is before and also is None:
                return before
            try:
                return self._save(before, after, also)
            except StaleVersion:
                self._sleep(random.random() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable(f"{deposit_id} is changing too fast; try again.", retry_after=1)

    def _save(self, before: Deposit, after: Deposit, also: Also | None) -> Deposit:
        after = replace(after, version=before.version + 1)
        with transaction(DepositItem, backoff=PATIENT) as tx:
            tx.put(DepositItem.of(after), condition=DepositItem.version == before.version)
            assert after.changed_at is not None  # noqa: S101  every rule says when
            _tell(tx, DepositItem, facts.deposit_changed(after, after.changed_at))
            if also is not None:
                also(tx)
        return after


class Withdrawals:
    def create(
        self,
        withdrawal: Withdrawal,
        also: Also,
        told: Event,
        *,
        idempotency: Idempotency,
        answer: dict[str, Any],
    ) -> None:
        """also: the hold. Raises AlreadyDone, and what the hold may raise."""
        with transaction(WithdrawalItem, backoff=PATIENT) as tx:
            stored.remember(tx, WithdrawalItem, idempotency, answer, for_ever=True)
            tx.put(WithdrawalItem.of(withdrawal), condition=WithdrawalItem.pk.does_not_exist())
            _tell(tx, WithdrawalItem, told)
            also(tx)

    def of(self, account_id: str, withdrawal_id: str) -> Withdrawal:
        """One strongly consistent read. Raises WithdrawalNotFound, for another account's too."""
        key = WithdrawalItem.at(account_id, withdrawal_id)
        try:
            return WithdrawalItem.get(key.pk, key.sk, consistent_read=True).value()
        except DoesNotExist:
            raise WithdrawalNotFound(f"There is no withdrawal {withdrawal_id} on {account_id}.") from None

    def newest_of(self, account_id: str, limit: int, *, before: str | None = None) -> list[Withdrawal]:
        """Withdrawals of an account, the newest first, from before an id on."""
        condition = WithdrawalItem.sk < before if before else None
        found = WithdrawalItem.query(
            WithdrawalItem.at(account_id, "").pk,
            condition,
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [item.value() for item in found]

    def open(self, limit: int, *, after: str | None = None) -> list[tuple[str, Withdrawal]]:
        """(position, withdrawal) of those that wait for a decision or their payment, the oldest first. From an index:
        what was written a moment ago may be missing."""
        condition = WithdrawalItem.gsi1sk > after if after else None
        index = WithdrawalItem.open
        keys = [(item.gsi1sk, item.pk, item.sk) for item in index.query(OPEN, condition, limit=limit, page_size=limit)]
        found = {(item.pk, item.sk): item for item in _got([(pk, sk) for _, pk, sk in keys])}
        return [(place, found[pk, sk].value()) for place, pk, sk in keys if (pk, sk) in found]

    def save(self, before: Withdrawal, after: Withdrawal, also: Also, *told: Event) -> Withdrawal:
        """also: what becomes of the hold. Raises StaleVersion when another writer was first."""
        after = replace(after, version=before.version + 1)
        with transaction(WithdrawalItem, backoff=PATIENT) as tx:
            tx.put(WithdrawalItem.of(after), condition=WithdrawalItem.version == before.version)
            for event in told:
                _tell(tx, WithdrawalItem, event)
            also(tx)
        return after


def _got(keys: list[tuple[str, str]]) -> Iterator[WithdrawalItem]:
    return iter(WithdrawalItem.batch_get(keys, consistent_read=True)) if keys else iter(())


def _tell(tx: Writes, model: type[Item], event: Event) -> None:
    tx.put(outbox_item(model, event, source=facts.SOURCE))
