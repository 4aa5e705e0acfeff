"""What becomes of deposits when their payments do: the facts of billing, each perhaps more than once.

A payment is credited exactly once: the transfer's id is made of the payment's, and stands in one transaction with the
deposit's new state.
"""

from collections.abc import Callable
from typing import Any

from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock
from gpubroker.ledger.accounts import ADJUSTMENTS, CLEARING, CURRENCY
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.ledger.funding import deposit as rules
from gpubroker.ledger.funding.deposit import Deposit, DepositNotFound
from gpubroker.ledger.funding.store import Deposits
from gpubroker.ledger.problems import AccountClosed, AccountNotFound, ReversalExceedsTransfer, TransferExists
from gpubroker.storage.transaction import Writes

SUCCEEDED, FAILED, REFUNDED = "PaymentSucceeded", "PaymentFailed", "PaymentRefunded"


class UnreadablePayment(ValueError):
    """No payment that can be booked: it goes to the queue of failures, for people to look at."""


class Payments:
    def __init__(self, *, book: Book, deposits: Deposits, clock: Clock):
        self._book, self._deposits, self._clock = book, deposits, clock

    def on_event(self, event: dict[str, Any]) -> str:
        """Book what a payment says. Gives what came of it: credited, refunded, already-booked, failed, processing,
        unclaimed, not-ours."""
        kind, told = event["detail-type"], event["detail"]
        if told.get("purpose") != "deposit":
            return "not-ours"
        payment_id, account_id, deposit_id = told["payment_id"], told["account_id"], told.get("reference")
        if kind == SUCCEEDED:
            return self._succeeded(payment_id, account_id, deposit_id, _amount(told))
        if kind == REFUNDED:
            return self._refunded(payment_id, account_id, deposit_id, _amount(told))
        now = self._clock()
        try:
            if kind == FAILED:
                detail = str(told.get("failure") or "The payment failed.")[:500]
                self._deposits.change(
                    account_id, str(deposit_id), lambda one: rules.failed(one, payment_id, detail, now)
                )
                return "failed"
            self._deposits.change(account_id, str(deposit_id), lambda one: rules.processing(one, payment_id, now))
        except DepositNotFound:
            return "not-ours"  # billing asked for it by itself: there is no request to tell
        return "processing"

    def _succeeded(self, payment_id: str, account_id: str, deposit_id: str | None, amount: MicroUsd) -> str:
        now = self._clock()
        transfer = _transfer("deposit", payment_id, account_id, account_id, deposit_id, amount)
        try:
            self._booked(transfer, account_id, deposit_id, lambda one: rules.completed(one, payment_id, amount, now))
        except TransferExists:
            return "already-booked"
        except (AccountClosed, AccountNotFound):
            # Nobody's account takes it: it stands in the books until an administrator gives it back.
            transfer = _transfer("deposit-unclaimed", payment_id, ADJUSTMENTS, account_id, deposit_id, amount)
            self._booked(transfer, account_id, deposit_id, lambda one: rules.unclaimed(one, payment_id, now))
            return "unclaimed"
        return "credited"

    def _booked(
        self, transfer: Transfer, account_id: str, deposit_id: str | None, rule: Callable[[Deposit], Deposit]
    ) -> None:
        """Post the transfer, and the deposit's new state with it. Raises TransferExists."""

        def post(tx: Writes) -> object:
            return self._book.add_transfer(tx, transfer)

        if deposit_id is not None:
            try:
                self._deposits.change(account_id, deposit_id, rule, also=post)
                return
            except DepositNotFound:
                pass  # nobody asked for it here; the money came all the same
        self._book.transfer(transfer)

    def _refunded(self, payment_id: str, account_id: str, deposit_id: str | None, amount: MicroUsd) -> str:
        """Take back what the payment brought. What is spent already cannot be taken: that goes to the queue of
        failures, and an administrator decides."""
        now = self._clock()

        def take_back(tx: Writes) -> object:
            return self._book.add_reverse(tx, _id("rev", payment_id), _id("trf", payment_id), None, "refunded")

        try:
            if deposit_id is not None:
                self._deposits.change(
                    account_id, deposit_id, lambda one: rules.refunded(one, amount, now), also=take_back
                )
            else:
                self._book.reverse(_id("rev", payment_id), _id("trf", payment_id), None, "refunded")
        except (TransferExists, ReversalExceedsTransfer):
            return "already-booked"  # also where an administrator took it back by hand
        return "refunded"


def _transfer(
    kind: str, payment_id: str, to: str, account_id: str, deposit_id: str | None, amount: MicroUsd
) -> Transfer:
    reference = {"payment_id": payment_id, "account_id": account_id}
    if deposit_id is not None:
        reference["deposit_id"] = deposit_id
    return Transfer(_id("trf", payment_id), kind, (Leg(CLEARING, to, amount),), reference)


def _id(prefix: str, payment_id: str) -> str:
    """The one transfer that a payment may give rise to, and the one that takes it back."""
    return named_id(prefix, "payment", payment_id)


def _amount(told: dict[str, Any]) -> MicroUsd:
    """Raises UnreadablePayment for another currency, and for what is no amount."""
    amount = told["amount_micros"]
    if told.get("currency") != CURRENCY or type(amount) is not int or amount <= 0:
        raise UnreadablePayment(f"payment {told['payment_id']} is no amount in {CURRENCY}")
    return amount
