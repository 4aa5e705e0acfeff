"""Opening, freezing and closing accounts, and their credit limits: each change with the facts that tell of it, in one
transaction, so that no act of an administrator goes unrecorded."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.errors import Conflict, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.ledger import facts
from gpubroker.ledger.accounts import Account, Kind, State
from gpubroker.ledger.book import Book
from gpubroker.ledger.items import AccountItem
from gpubroker.ledger.problems import AccountClosed, AccountNotFound
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

_TRIES = 12
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5

Also = Callable[[Writes], None]


Tell = Callable[[Account, Account], Event]
"""The fact of a change, from the account before and after."""


AlsoAfter = Callable[[Account], Also]
"""What else belongs into the transaction, told the account as it will be: a stored answer."""


class AccountNotEmpty(Conflict):
    """Only an account with a balance of nothing, and nothing held, is closed."""

    code = "account-not-empty"
    title = "This account is not empty"


class Register:
    def __init__(self, *, book: Book, sleep: Callable[[float], None] = time.sleep):
        self._book, self._sleep = book, sleep

    def account(self, account_id: str, *, own: bool) -> Account:
        """An account; its owner opens it by looking at it. Raises AccountNotFound."""
        try:
            return self._book.account(account_id)
        except AccountNotFound:
            if not own:
                raise
        return self._book.open(account_id)

    def opening(self, account_id: str, kind: Kind, now: datetime) -> Also:
        """A new account, for the transaction of what it belongs to."""
        item = AccountItem(
            *AccountItem.key(account_id),
            kind=kind.value,
            opened_at=iso(now),
            version=1,
            gsi1pk=AccountItem.register_shard(account_id),
            gsi1sk=account_id,
        )
        return lambda tx: tx.put(item, condition=AccountItem.pk.does_not_exist())

    def closing(self, account_id: str) -> Also:
        """The end of an account, for the transaction of what it belongs to. Raises AccountNotEmpty."""
        self._book.balance(account_id)  # releases what is held past its end
        return self._closing(self._book.account(account_id))

    def _closing(self, account: Account) -> Also:
        """The version says that nothing moved since the account was read."""
        if account.posted or account.held:
            raise AccountNotEmpty(
                f"{account.account_id} has a balance of {account.posted} and holds of {account.held} micro-dollars.",
                posted_micros=account.posted,
                held_micros=account.held,
            )
        return lambda tx: tx.update(
            AccountItem(*AccountItem.key(account.account_id)),
            actions=[AccountItem.state.set(State.CLOSED.value), AccountItem.version.add(1)],
            condition=AccountItem.version == account.version,
        )

    def freeze(self, account_id: str, told: Tell, also: AlsoAfter) -> Account:
        """No new debits and holds. Raises AccountNotFound, AccountClosed."""
        return self._changed(account_id, told, also, State.FROZEN)

    def unfreeze(self, account_id: str, told: Tell, also: AlsoAfter) -> Account:
        return self._changed(account_id, told, also, State.OPEN)

    def close(self, account_id: str, told: Tell, also: AlsoAfter) -> Account:
        """The end of an account, once it is empty. Raises AccountNotFound, AccountNotEmpty."""
        self._book.balance(account_id)  # releases what is held past its end
        return self._changed(account_id, told, also, State.CLOSED)

    def _changed(self, account_id: str, told: Tell, also: AlsoAfter, state: State) -> Account:
        """An account in another state; being in it already changes nothing and is not told again."""
        for attempt in range(_TRIES):
            before = self._book.account(account_id)
            if before.state is state:
                return before
            if before.state is State.CLOSED:
                raise AccountClosed(f"{account_id} is closed; that is not undone.")
            after = replace(before, state=state, version=before.version + 1)
            write = self._closing(before) if state is State.CLOSED else _set_state(before, state)
            if self._written(write, also(after), told(before, after), attempt):
                return after
        raise Unavailable(f"{account_id} is changing too fast; try again.", retry_after=1)

    def set_credit_limit(self, account_id: str, limit: MicroUsd, told: Tell, also: AlsoAfter) -> Account:
        """How far below nothing the account may go. Under what is used already, it stops new debits only."""
        for attempt in range(_TRIES):
            before = self._book.account(account_id)
            if before.credit_limit == limit:
                return before
            after = replace(before, credit_limit=limit, version=before.version + 1)
            if self._written(_set_limit(before, limit), also(after), told(before, after), attempt):
                return after
        raise Unavailable(f"{account_id} is changing too fast; try again.", retry_after=1)

    def _written(self, write: Also, also: Also, event: Event, attempt: int) -> bool:
        try:
            with transaction(AccountItem, backoff=PATIENT) as tx:
                write(tx)
                also(tx)
                tx.put(outbox_item(AccountItem, event, source=facts.SOURCE))
        except StaleVersion:
            self._sleep(random.random() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
            return False
        return True


def _set_state(account: Account, state: State) -> Also:
    return lambda tx: tx.update(
        AccountItem(*AccountItem.key(account.account_id)),
        actions=[AccountItem.state.set(state.value), AccountItem.version.add(1)],
        condition=AccountItem.state == account.state.value,
    )


def _set_limit(account: Account, limit: MicroUsd) -> Also:
    same = AccountItem.credit_limit == account.credit_limit
    return lambda tx: tx.update(
        AccountItem(*AccountItem.key(account.account_id)),
        actions=[
            AccountItem.credit_limit.set(limit),
            AccountItem.room.add(limit - account.credit_limit),
            AccountItem.version.add(1),
        ],
        condition=same if account.credit_limit else AccountItem.credit_limit.does_not_exist() | same,
    )
