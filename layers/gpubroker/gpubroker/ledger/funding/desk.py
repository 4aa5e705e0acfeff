"""What callers may do with deposits and withdrawals: ask for one, see them, take one back; and decide, for
administrators."""

from datetime import datetime
from typing import TypeVar

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Problem, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id, new_id
from gpubroker.kernel.money import micros
from gpubroker.kernel.time import Clock
from gpubroker.ledger import facts
from gpubroker.ledger.accounts import CLEARING, State
from gpubroker.ledger.book import Book, NewHold
from gpubroker.ledger.desk.access import Access
from gpubroker.ledger.desk.register import Register
from gpubroker.ledger.funding import deposit as deposits
from gpubroker.ledger.funding import withdrawal as withdrawals
from gpubroker.ledger.funding.deposit import Deposit, DepositState
from gpubroker.ledger.funding.items import DepositItem
from gpubroker.ledger.funding.requests import DecisionRequest, DepositRequest, WithdrawalRequest
from gpubroker.ledger.funding.store import Also, Deposits, Withdrawals
from gpubroker.ledger.funding.views import DepositPage, DepositView, WithdrawalPage, WithdrawalView
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalState
from gpubroker.ledger.organizations.roles import Right
from gpubroker.ledger.problems import AccountClosed, InsufficientFunds
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import StaleVersion

V = TypeVar("V", DepositView, WithdrawalView)

_TRIES = 6
_DECISIONS = {
    "approve": WithdrawalState.APPROVED,
    "pay": WithdrawalState.PAID,
    "reject": WithdrawalState.REJECTED,
}


class DepositDesk:
    def __init__(self, *, deposits: Deposits, register: Register, access: Access, clock: Clock):
        self._deposits, self._register, self._access, self._clock = deposits, register, access, clock

    def request(self, caller: Caller, account_id: str, wanted: DepositRequest, idempotency: Idempotency) -> DepositView:
        """Ask for a payment into an account; it is credited once the payment succeeds, whatever is sent twice.

        Raises AccountNotFound, Forbidden, AccountClosed, KeyReused.
        """
        opening = self._access.to(caller, account_id, Right.FUND)
        account, now = self._register.account(opening.account_id, own=opening.own), self._clock()
        if account.state is State.CLOSED:
            raise AccountClosed(f"The account {account.account_id} is closed.")
        one = Deposit(
            deposit_id=new_id("dep", now_ms=lambda: int(now.timestamp() * 1000)),
            account_id=account.account_id,
            amount=micros(wanted.amount),
            state=DepositState.REQUESTED,
            requested_at=now,
            requested_by=caller.subject,
            payment_method_id=wanted.payment_method_id,
        )
        view = DepositView.of(one)
        try:
            self._deposits.create(
                one, facts.deposit_requested(one), idempotency=idempotency, answer=view.model_dump(mode="json")
            )
        except Problem as problem:
            return _replayed(DepositView, idempotency, problem)
        return view

    def deposit_of(self, caller: Caller, account_id: str, deposit_id: str) -> DepositView:
        opening = self._access.to(caller, account_id, Right.SEE)
        return DepositView.of(self._deposits.of(opening.account_id, deposit_id))

    def page_of(
        self, caller: Caller, account_id: str, limit: int, before: str | None
    ) -> tuple[DepositPage, str | None]:
        """One page and the deposit id that the next begins before (None on the last)."""
        opening = self._access.to(caller, account_id, Right.SEE)
        self._register.account(opening.account_id, own=opening.own)
        found = self._deposits.newest_of(opening.account_id, limit + 1, before=before)
        position = found[limit - 1].deposit_id if len(found) > limit else None
        return DepositPage(deposits=[DepositView.of(one) for one in found[:limit]], next_cursor=None), position

    def cancel(self, caller: Caller, account_id: str, deposit_id: str) -> DepositView:
        """Before its payment has begun. Raises DepositNotFound, DepositNotCancellable."""
        opening, now = self._access.to(caller, account_id, Right.FUND), self._clock()
        return DepositView.of(
            self._deposits.change(opening.account_id, deposit_id, lambda one: deposits.cancelled(one, now))
        )


class WithdrawalDesk:
    def __init__(self, *, withdrawals: Withdrawals, book: Book, register: Register, access: Access, clock: Clock):
        self._withdrawals, self._book, self._register = withdrawals, book, register
        self._access, self._clock = access, clock

    def request(
        self, caller: Caller, account_id: str, wanted: WithdrawalRequest, idempotency: Idempotency
    ) -> WithdrawalView:
        """Ask for money to leave. It is held at once, so that it is not spent meanwhile.

        Raises AccountNotFound, Forbidden, AccountFrozen, AccountClosed, InsufficientFunds, KeyReused.
        """
        opening = self._access.to(caller, account_id, Right.FUND)
        self._register.account(opening.account_id, own=opening.own)
        now = self._clock()
        one = Withdrawal(
            withdrawal_id=new_id("wdr", now_ms=lambda: int(now.timestamp() * 1000)),
            account_id=opening.account_id,
            amount=micros(wanted.amount),
            destination=wanted.destination,
            state=WithdrawalState.REQUESTED,
            requested_at=now,
            requested_by=caller.subject,
        )
        view = WithdrawalView.of(one)
        try:
            try:
                self._place(one, now, idempotency, view)
            except InsufficientFunds:
                if not self._book.release_expired(one.account_id):
                    raise
                self._place(one, now, idempotency, view)
        except Problem as problem:
            return _replayed(WithdrawalView, idempotency, problem)
        return view

    def _place(self, one: Withdrawal, now: datetime, idempotency: Idempotency, view: WithdrawalView) -> None:
        hold = NewHold(one.withdrawal_id, one.account_id, one.amount, reference={"withdrawal_id": one.withdrawal_id})
        self._withdrawals.create(
            one,
            lambda tx: self._book.add_hold(tx, hold),
            facts.withdrawal_changed(one, now),
            idempotency=idempotency,
            answer=view.model_dump(mode="json"),
        )

    def withdrawal_of(self, caller: Caller, account_id: str, withdrawal_id: str) -> WithdrawalView:
        opening = self._access.to(caller, account_id, Right.SEE)
        return WithdrawalView.of(self._withdrawals.of(opening.account_id, withdrawal_id))

    def page_of(
        self, caller: Caller, account_id: str, limit: int, before: str | None
    ) -> tuple[WithdrawalPage, str | None]:
        """One page and the withdrawal id that the next begins before (None on the last)."""
        opening = self._access.to(caller, account_id, Right.SEE)
        self._register.account(opening.account_id, own=opening.own)
        found = self._withdrawals.newest_of(opening.account_id, limit + 1, before=before)
        position = found[limit - 1].withdrawal_id if len(found) > limit else None
        views = [WithdrawalView.of(one) for one in found[:limit]]
        return WithdrawalPage(withdrawals=views, next_cursor=None), position

    def open_ones(self, limit: int, after: str | None) -> tuple[WithdrawalPage, str | None]:
        """Those of all accounts that wait for an administrator, the oldest first, and the position of the next."""
        found = self._withdrawals.open(limit + 1, after=after)
        position = found[limit - 1][0] if len(found) > limit else None
        views = [WithdrawalView.of(one) for _, one in found[:limit]]
        return WithdrawalPage(withdrawals=views, next_cursor=None), position

    def cancel(self, caller: Caller, account_id: str, withdrawal_id: str) -> WithdrawalView:
        """By its owner, before it is decided: what was held is free again. Raises WithdrawalDecided."""
        opening = self._access.to(caller, account_id, Right.FUND)
        return self._moved(opening.account_id, withdrawal_id, WithdrawalState.CANCELLED, caller, None)

    def decide(self, caller: Caller, account_id: str, withdrawal_id: str, wanted: DecisionRequest) -> WithdrawalView:
        """By an administrator: approve, pay (the hold is captured: the money has left), reject (the hold is void).

        Each decision takes effect once and is audited with it. Raises WithdrawalNotFound, WithdrawalDecided.
        """
        opening = self._access.to(caller, account_id, Right.OWN)
        return self._moved(opening.account_id, withdrawal_id, _DECISIONS[wanted.decision], caller, wanted.reason)

    def _moved(
        self, account_id: str, withdrawal_id: str, to: WithdrawalState, caller: Caller, reason: str | None
    ) -> WithdrawalView:
        for _ in range(_TRIES):
            before, now = self._withdrawals.of(account_id, withdrawal_id), self._clock()
            after = withdrawals.moved(before, to, by=caller.subject, reason=reason, now=now)
            if after is before:
                return WithdrawalView.of(before)
            told = [facts.withdrawal_changed(after, now)]
            if to is not WithdrawalState.CANCELLED:
                told.append(
                    facts.intervention(
                        f"withdrawal-{to}",
                        withdrawal_id,
                        by=caller.subject,
                        reason=reason or "",
                        before={"status": before.state.value},
                        after={"status": to.value, "amount_micros": after.amount, "account_id": account_id},
                        now=now,
                    )
                )
            try:
                return WithdrawalView.of(self._withdrawals.save(before, after, self._settling(after), *told))
            except StaleVersion:
                continue  # another decision, or its hold's expiry, was first: look again
        raise Unavailable(f"{withdrawal_id} is changing too fast; try again.", retry_after=1)

    def _settling(self, one: Withdrawal) -> Also:
        """What becomes of the hold."""
        hold = (one.withdrawal_id, one.account_id)
        if one.state is WithdrawalState.PAID:
            capture_id = named_id("cap", one.withdrawal_id)
            return lambda tx: self._book.add_capture(tx, *hold, capture_id, one.amount, {CLEARING: one.amount})
        if one.state in (WithdrawalState.REJECTED, WithdrawalState.CANCELLED):
            return lambda tx: self._book.add_void(tx, *hold)
        return lambda tx: None


def _replayed(view: type[V], idempotency: Idempotency, problem: Problem) -> V:
    """The stored answer, where this very request took effect before; else the problem it met now."""
    try:
        answer = stored.replay(DepositItem, idempotency)
    except stored.KeyReused:
        raise
    except Problem:
        raise problem from None  # the key was never used: what it met now is the answer
    return view.model_validate(answer)
