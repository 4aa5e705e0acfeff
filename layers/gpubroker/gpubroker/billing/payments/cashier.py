"""Taking payments: what is asked for, what the processor answers, what it tells later, and what it must be asked again.

The order that makes it once: the payment is written under an id made of what it pays; then the processor is asked,
under that id; then its answer is written, with the fact and what follows from it, in one transaction. Whatever is cut
off in between is due in a minute, and is asked again under the same id.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gpubroker.billing.payments.payment import (
    CENT,
    Contradiction,
    Payment,
    Seen,
    State,
    fail,
    looked,
    observe,
    payment_id_of,
)
from gpubroker.billing.payments.ports import PaymentProcessor, ProcessorUnavailable, UnknownToken
from gpubroker.billing.payments.store import Methods, PaymentMethodNotFound, PaymentNotFound, Payments
from gpubroker.kernel.time import Clock
from gpubroker.messaging.log import logger

SWEEP_AT_MOST = timedelta(seconds=40)


@dataclass(slots=True)
class Findings:
    """What a sweep came to, by what was found."""

    counts: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Cashier:
    def __init__(self, *, payments: Payments, methods: Methods, processor: PaymentProcessor, clock: Clock) -> None:
        self._payments, self._methods, self._processor, self._clock = payments, methods, processor, clock

    def take_deposit(self, detail: dict[str, Any]) -> Payment:
        """On DepositRequested: the payment of this deposit, made once. What cannot be paid fails, and is told."""
        account_id = str(detail["account_id"])
        named = detail.get("payment_method_id") or self._methods.all_of(account_id)[1]
        method_id, token = str(named or "none"), None
        with suppress(PaymentMethodNotFound):
            token = self._methods.of(account_id, method_id).token
        now = self._clock()
        payment = self._payments.make(
            Payment(
                payment_id=payment_id_of("deposit", str(detail["deposit_id"])),
                account_id=account_id,
                amount=int(detail["amount_micros"]),
                purpose="deposit",
                reference=str(detail["deposit_id"]),
                method_id=method_id,
                token=token,
                processor=self._processor.name,
                created_at=now,
                changed_at=now,
            )
        )
        return self.charge(payment)

    def charge(self, payment: Payment) -> Payment:
        """Ask the processor for the money of a payment that it may not have heard of. While it does not answer, the
        payment stays as it is and comes again with the sweep."""
        if payment.state is not State.CREATED:
            return payment
        if payment.token is None:
            return self._failed(payment, "payment_method_missing")
        if payment.amount <= 0 or payment.amount % CENT:
            return self._failed(payment, "amount_not_whole_cents")
        try:
            seen = self._processor.create_payment(payment)
        except UnknownToken:
            return self._failed(payment, "unknown_card")
        except ProcessorUnavailable as error:
            logger().warning("payment waits", extra={"payment_id": payment.payment_id, "error": error.detail})
            return payment
        return self._observed(payment.account_id, seen)

    def hear(self, seen: Seen) -> bool:
        """A webhook's news; whether it was any. A payment that is not ours is none, and is counted."""
        try:
            account_id = self._payments.account_of(seen.payment_id)
        except PaymentNotFound:
            _count("PaymentWebhooksIgnored", payment_id=seen.payment_id[:64])
            return False
        before = self._payments.of(account_id, seen.payment_id)
        return self._observed(account_id, seen).version != before.version

    def sweep(self) -> Findings:
        """Each minute: payments whose end is not known, asked about; a webhook that never came is made up for. The
        trouble of one never costs the others."""
        findings, begun = Findings(), self._clock()
        for account_id, payment_id in self._payments.due(begun):
            if self._clock() - begun > SWEEP_AT_MOST:
                findings.note("left")
                continue
            try:
                findings.note(self.look(account_id, payment_id).state.value)
            except Exception as error:
                findings.note("failed")
                logger().error("payment not looked at", extra={"payment_id": payment_id, "error": repr(error)})
        return findings

    def look(self, account_id: str, payment_id: str) -> Payment:
        """Find out what became of one payment."""
        payment = self._payments.of(account_id, payment_id)
        if not payment.awaited:
            return payment
        after = payment
        if payment.state is State.CREATED:
            after = self.charge(payment)
        else:
            try:
                seen = self._processor.refund(payment) if payment.refunding else self._processor.get(payment_id)
            except ProcessorUnavailable:
                seen = None
            if seen is not None:
                after = self._observed(account_id, seen)
        if after.version != payment.version:
            return after
        now = self._clock()
        return self._payments.change(
            account_id, payment_id, lambda one: one if one.version != payment.version else looked(one, now)
        )

    def _failed(self, payment: Payment, reason: str) -> Payment:
        now = self._clock()
        return self._payments.change(payment.account_id, payment.payment_id, lambda one: fail(one, reason, now))

    def _observed(self, account_id: str, seen: Seen) -> Payment:
        now = self._clock()
        try:
            return self._payments.change(account_id, seen.payment_id, lambda one: observe(one, seen, now))
        except Contradiction as error:
            # Somebody must look: an alarm counts these. Nothing is changed by it, and telling it again would not help.
            _count("PaymentContradictions", payment_id=seen.payment_id, error=str(error))
            return self._payments.of(account_id, seen.payment_id)


def _count(metric: str, **about: str) -> None:
    """One line that CloudWatch reads as a metric too."""
    from gpubroker.kernel.time import utc_now

    emf = {
        "_aws": {
            "Timestamp": int(utc_now().timestamp() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": "gpubroker", "Dimensions": [["service"]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
            ],
        },
        metric: 1,
        "service": "billing",
    }
    logger().warning(metric, extra=emf | about)
