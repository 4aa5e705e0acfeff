"""What administrators do by hand: credit, freeze, unfreeze, close, credit limits, reversals. Each act and the fact
that tells of it (AdminIntervention, which the audit keeps) are one transaction."""

from typing import Any

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, Problem
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import micros
from gpubroker.kernel.time import Clock
from gpubroker.ledger import facts
from gpubroker.ledger.accounts import ADJUSTMENTS, CLEARING, CREDITS, Account, Kind, kind_of
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.ledger.desk.access import Access
from gpubroker.ledger.desk.register import Also, Register, Tell
from gpubroker.ledger.desk.requests import CreditLimitRequest, CreditRequest, InterventionRequest, ReversalRequest
from gpubroker.ledger.desk.views import AccountView, TransferView
from gpubroker.ledger.items import AccountItem
from gpubroker.ledger.organizations.roles import Right
from gpubroker.ledger.ports import Users
from gpubroker.ledger.problems import (
    AccountNotFound,
    InsufficientFunds,
    ReversalExceedsTransfer,
    TransferConflict,
    TransferExists,
)
from gpubroker.ledger.transfers import Receipt
from gpubroker.storage import idempotency as stored
from gpubroker.storage.idempotency import KeyReused
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, StaleVersion, transaction

_SOURCES = {"credits": CREDITS, "deposit": CLEARING, "adjustment": ADJUSTMENTS}
_TRIES = 5


class InterventionDesk:
    def __init__(self, *, book: Book, register: Register, access: Access, users: Users, clock: Clock):
        self._book, self._register, self._access = book, register, access
        self._users, self._clock = users, clock

    def credit(self, caller: Caller, account_id: str, wanted: CreditRequest, idempotency: Idempotency) -> TransferView:
        """Put money on an account, once for a key. A user's account is opened by it.

        Raises AccountNotFound, AccountClosed, KeyReused.
        """
        to = self._customers(caller, account_id)
        self._open(to)
        amount = micros(wanted.amount)
        transfer = Transfer(
            _id("trf", idempotency),
            wanted.source if wanted.source != "credits" else "credit",
            (Leg(_SOURCES[wanted.source], to, amount),),
            {"reason": wanted.reason},  # its owner reads this; who did it is in the audit
        )
        after = {"transfer_id": transfer.transfer_id, "amount_micros": amount, "source": wanted.source}
        event = self._event("credit", to, caller, wanted.reason, None, after)
        try:
            with transaction(AccountItem, backoff=PATIENT) as tx:
                receipt = self._book.add_transfer(tx, transfer)
                tx.put(outbox_item(AccountItem, event, source=facts.SOURCE))
        except TransferExists:
            receipt = _as_stored(lambda: self._book.transfer(transfer))
        return TransferView.of(receipt)

    def reverse(
        self, caller: Caller, transfer_id: str, wanted: ReversalRequest, idempotency: Idempotency
    ) -> TransferView:
        """Take a transfer back, or a part of it, once for a key.

        Raises TransferNotFound, NotReversible, ReversalExceedsTransfer, InsufficientFunds, KeyReused.
        """
        reversal_id = _id("rev", idempotency)
        amount = None if wanted.amount is None else micros(wanted.amount)
        for attempt in range(_TRIES):
            try:
                return TransferView.of(self._reversed(caller, reversal_id, transfer_id, amount, wanted.reason))
            except (TransferExists, ReversalExceedsTransfer):
                # Done before under this key, or refused: the book knows which.
                return TransferView.of(
                    _as_stored(lambda: self._book.reverse(reversal_id, transfer_id, amount, wanted.reason))
                )
            except InsufficientFunds as refusal:
                if attempt + 1 == _TRIES or not self._book.release_expired(refusal.account_id):
                    raise
            except StaleVersion:  # another reversal of it was first
                if attempt + 1 == _TRIES:
                    raise
        raise AssertionError("the loop returns or raises")

    def _reversed(self, caller: Caller, reversal_id: str, transfer_id: str, amount: int | None, reason: str) -> Receipt:
        with transaction(AccountItem, backoff=PATIENT) as tx:
            receipt = self._book.add_reverse(tx, reversal_id, transfer_id, amount, reason)
            after = {"transfer_id": reversal_id, "amount_micros": receipt.amount}
            event = self._event("reverse", transfer_id, caller, reason, None, after)
            tx.put(outbox_item(AccountItem, event, source=facts.SOURCE))
        return receipt

    def freeze(
        self, caller: Caller, account_id: str, wanted: InterventionRequest, key: Idempotency | None
    ) -> AccountView:
        """No new debits and holds; what is held is settled, credits arrive. Raises AccountNotFound, AccountClosed."""
        return self._done("freeze", caller, account_id, wanted.reason, key)

    def unfreeze(
        self, caller: Caller, account_id: str, wanted: InterventionRequest, key: Idempotency | None
    ) -> AccountView:
        """Raises AccountNotFound, AccountClosed."""
        return self._done("unfreeze", caller, account_id, wanted.reason, key)

    def close(
        self, caller: Caller, account_id: str, wanted: InterventionRequest, key: Idempotency | None
    ) -> AccountView:
        """For good, once it is empty. Raises AccountNotFound, AccountNotEmpty."""
        return self._done("close", caller, account_id, wanted.reason, key)

    def set_credit_limit(
        self, caller: Caller, account_id: str, wanted: CreditLimitRequest, key: Idempotency | None
    ) -> AccountView:
        """How far below nothing an account may go. Raises AccountNotFound."""
        limit = micros(wanted.credit_limit)

        def act(owned: str, tell: Tell, also: Any) -> Account:
            return self._register.set_credit_limit(owned, limit, tell, also)

        return self._done("credit-limit", caller, account_id, wanted.reason, key, act)

    # ------------------------------------------------------------ within

    def _done(
        self, action: str, caller: Caller, account_id: str, reason: str, key: Idempotency | None, act: Any = None
    ) -> AccountView:
        """The account afterwards; the stored answer where this very request took effect before."""
        act = (
            act
            or {
                "freeze": self._register.freeze,
                "unfreeze": self._register.unfreeze,
                "close": self._register.close,
            }[action]
        )

        def tell(before: Account, after: Account) -> Event:
            return self._event(action, before.account_id, caller, reason, _state(before), _state(after))

        def also(after: Account) -> Also:
            answer = AccountView.of(after, []).model_dump(mode="json")
            return lambda tx: stored.remember(tx, AccountItem, key, answer)

        try:
            return AccountView.of(act(self._customers(caller, account_id), tell, also), [])
        except Problem as problem:
            if key is None:
                raise
            try:
                return AccountView.model_validate(stored.replay(AccountItem, key))
            except KeyReused:
                raise
            except Problem:
                raise problem from None  # the key was never used: what it met now is the answer

    def _customers(self, caller: Caller, account_id: str) -> str:
        """The account, which is a user's or an organisation's. Raises AccountNotFound, Invalid."""
        owned = self._access.to(caller, account_id, Right.OWN).account_id
        if kind_of(owned) not in (Kind.USER, Kind.ORGANIZATION):
            raise Invalid.of("account_id", "must be a user's or an organisation's")
        return owned

    def _open(self, account_id: str) -> None:
        """Open the account of a user who has not used it yet. Raises AccountNotFound."""
        try:
            self._book.account(account_id)
        except AccountNotFound:
            if kind_of(account_id) is not Kind.USER or not self._users.exists(account_id):
                raise
            self._book.open(account_id)

    def _event(
        self, action: str, subject: str, caller: Caller, reason: str, before: Any, after: dict[str, Any]
    ) -> Event:
        return facts.intervention(
            action, subject, by=caller.subject, reason=reason, before=before, after=after, now=self._clock()
        )


def _id(prefix: str, idempotency: Idempotency) -> str:
    """An id that the same key on the same route always gives: so a key acts once for ever, as ids of the book do."""
    return named_id(prefix, idempotency.tenant, idempotency.route, idempotency.key)


def _as_stored(again: Any) -> Receipt:
    """The stored receipt of a transfer that was made before. Raises KeyReused where it was another one."""
    try:
        receipt: Receipt = again()
    except TransferConflict as conflict:
        raise KeyReused("Idempotency-Key: was used for another request") from conflict
    return receipt


def _state(account: Account) -> dict[str, Any]:
    return {"state": account.state.value, "credit_limit_micros": account.credit_limit}
