"""Deposits: states and moves, pure.

    requested -> processing -> completed | failed
    requested -> cancelled

A completed one whose payment is refunded stays completed, with so much less credited.
What really was paid is the truth: a success counts whatever the request says meanwhile (failed on another card,
cancelled a moment before), since the money is here.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.money import MicroUsd


class DepositNotFound(NotFound):
    code = "deposit-not-found"
    title = "There is no such deposit"


class DepositNotCancellable(Conflict):
    """Its payment is under way, or over."""

    code = "deposit-not-cancellable"
    title = "This deposit can be cancelled no more"


class DepositState(StrEnum):
    REQUESTED = "requested"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Deposit:
    """payment_id: the payment that decided; credited: what came in with it, which is what counts."""

    deposit_id: str
    account_id: str
    amount: MicroUsd
    state: DepositState
    requested_at: datetime
    requested_by: str
    payment_method_id: str | None = None
    payment_id: str | None = None
    credited: MicroUsd = 0
    detail: str | None = None
    changed_at: datetime | None = None
    version: int = 1


def cancelled(deposit: Deposit, now: datetime) -> Deposit:
    """Before its payment has begun. Asking twice is harmless. Raises DepositNotCancellable."""
    if deposit.state is DepositState.CANCELLED:
        return deposit
    if deposit.state is not DepositState.REQUESTED:
        raise DepositNotCancellable(f"{deposit.deposit_id} is {deposit.state}.")
    return replace(deposit, state=DepositState.CANCELLED, changed_at=now)


def processing(deposit: Deposit, payment_id: str, now: datetime) -> Deposit:
    """Its payment has begun. What comes later than an outcome changes nothing."""
    if deposit.state is not DepositState.REQUESTED:
        return deposit
    return replace(deposit, state=DepositState.PROCESSING, payment_id=payment_id, changed_at=now)


def completed(deposit: Deposit, payment_id: str, credited: MicroUsd, now: datetime) -> Deposit:
    """The money is here."""
    return replace(
        deposit,
        state=DepositState.COMPLETED,
        payment_id=payment_id,
        credited=deposit.credited + credited,
        detail=None,
        changed_at=now,
    )


def failed(deposit: Deposit, payment_id: str, detail: str, now: datetime) -> Deposit:
    """Nothing came. Of no account once something did, or once it was cancelled."""
    if deposit.state not in (DepositState.REQUESTED, DepositState.PROCESSING):
        return deposit
    return replace(deposit, state=DepositState.FAILED, payment_id=payment_id, detail=detail, changed_at=now)


def unclaimed(deposit: Deposit, payment_id: str, now: datetime) -> Deposit:
    """The money came, and the account takes none any more."""
    detail = "The account is closed. The money is kept, and given back by an administrator."
    return replace(deposit, state=DepositState.FAILED, payment_id=payment_id, detail=detail, changed_at=now)


def refunded(deposit: Deposit, amount: MicroUsd, now: datetime) -> Deposit:
    """The money went back to where it came from."""
    return replace(deposit, credited=deposit.credited - amount, detail="The payment was refunded.", changed_at=now)
