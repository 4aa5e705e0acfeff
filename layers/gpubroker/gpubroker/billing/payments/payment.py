"""A payment and its states (docs/billing.md). Pure: what is seen goes in, the payment and whether it moved come out.

    created -> processing -> succeeded -> refunded
       |           |
       +-----------+------> failed

`created` is ours alone: the processor may or may not have heard of it. A state never goes back: a late or repeated
message changes nothing, so messages may come twice and in any order.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd

Purpose: TypeAlias = Literal["deposit", "invoice"]

CURRENCY = "USD"
CENT: MicroUsd = 10_000
FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=6)


class State(StrEnum):
    CREATED = "created"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"


_RANK = {State.CREATED: 0, State.PROCESSING: 1, State.SUCCEEDED: 2, State.FAILED: 2, State.REFUNDED: 3}


class Contradiction(Exception):
    """The processor tells of another amount, currency or outcome than this payment has: nothing is changed by it."""


class PaymentNotRefundable(Conflict):
    code = "payment-not-refundable"
    title = "Only a deposit that came through, and is still there, can be given back; an invoice has credit notes"


@dataclass(frozen=True, slots=True)
class Card:
    """What a processor tells of a token: enough to recognise the card, too little to use it."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the processor says of a payment, in an answer or in a webhook."""

    payment_id: str
    state: State
    amount: MicroUsd
    currency: str
    processor_reference: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """amount in micro-USD, whole cents. `reference` is the deposit's or the invoice's id; `token` names the card at the
    processor, kept here so that a payment under way outlives its payment method. `looks` counts the times that the
    processor was asked about it, which spaces the next ones; `refunding` says that an administrator gives it back."""

    payment_id: str
    account_id: str
    amount: MicroUsd
    purpose: Purpose
    reference: str
    method_id: str
    token: str | None
    processor: str
    created_at: datetime
    changed_at: datetime
    state: State = State.CREATED
    processor_reference: str | None = None
    failure: str | None = None
    looks: int = 0
    refunding: bool = False
    currency: str = CURRENCY
    version: int = 1

    @property
    def over(self) -> bool:
        return self.state not in (State.CREATED, State.PROCESSING)

    @property
    def awaited(self) -> bool:
        """Whether the processor shall still be asked about it."""
        return not self.over or (self.refunding and self.state is State.SUCCEEDED)

    @property
    def due_at(self) -> datetime | None:
        """When the sweep shall ask the processor: a minute after it was made, then ever later, to six hours."""
        if not self.awaited:
            return None
        wait: timedelta = FIRST_LOOK * (1 << min(self.looks, 10))
        return self.changed_at + min(LONGEST_LOOK, wait)


def payment_id_of(purpose: Purpose, reference: str, attempt: int = 1) -> str:
    """The one id of a try to be paid for something: made twice, it is the same payment."""
    return named_id("pay", purpose, reference, attempt)


def observe(payment: Payment, seen: Seen, now: datetime) -> Payment:
    """The payment after this news; the same object when it is none.

    Raises Contradiction for other money than ours, and for another end than the one that is known.
    """
    if (seen.amount, seen.currency) != (payment.amount, payment.currency):
        raise Contradiction(f"{payment.payment_id}: {seen.amount} {seen.currency} is not what was asked for")
    if seen.state == payment.state or _RANK[seen.state] < _RANK[payment.state]:
        return payment
    if payment.state is State.FAILED or (payment.over and seen.state is not State.REFUNDED):
        raise Contradiction(f"{payment.payment_id} is {payment.state}, and the processor says {seen.state}")
    return replace(
        payment,
        state=seen.state,
        processor_reference=seen.processor_reference or payment.processor_reference,
        failure=(seen.failure or "declined") if seen.state is State.FAILED else None,
        changed_at=now,
        looks=0,
        version=payment.version + 1,
    )


def fail(payment: Payment, reason: str, now: datetime) -> Payment:
    """Given up before the processor heard of it."""
    if payment.state is not State.CREATED:
        return payment
    return replace(payment, state=State.FAILED, failure=reason, changed_at=now, version=payment.version + 1)


def refund(payment: Payment, now: datetime) -> Payment:
    """All of it shall be given back; asking twice is asking once. Raises PaymentNotRefundable."""
    if payment.refunding or payment.state is State.REFUNDED:
        return payment
    if payment.state is not State.SUCCEEDED or payment.purpose != "deposit":
        raise PaymentNotRefundable(f"{payment.payment_id} is {payment.state}, for {payment.purpose}.")
    return replace(payment, refunding=True, looks=0, changed_at=now, version=payment.version + 1)


def looked(payment: Payment, now: datetime) -> Payment:
    """Asked about, and nothing new."""
    return replace(payment, looks=payment.looks + 1, changed_at=now, version=payment.version + 1)
