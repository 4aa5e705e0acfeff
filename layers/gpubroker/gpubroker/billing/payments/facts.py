"""The facts of payments; their schemas stand in events/billing/."""

from datetime import datetime

from gpubroker.billing.payments.payment import Payment, State
from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.time import iso

TYPES = {
    State.PROCESSING: "PaymentStarted",
    State.SUCCEEDED: "PaymentSucceeded",
    State.FAILED: "PaymentFailed",
    State.REFUNDED: "PaymentRefunded",
}


def moved(payment: Payment, now: datetime) -> Event:
    """That a payment is in another state: one event, whoever tells it, since its id is made of both."""
    data = {
        "payment_id": payment.payment_id,
        "account_id": payment.account_id,
        "amount_micros": payment.amount,
        "currency": payment.currency,
        "purpose": payment.purpose,
        "reference": payment.reference,
        "processor": payment.processor,
        "at": iso(now),
    }
    if payment.state is State.FAILED:
        data["failure"] = payment.failure or "declined"
    return Event(
        TYPES[payment.state],
        payment.payment_id,
        data,
        id=named_id("evt", payment.payment_id, payment.state.value),
        occurred_at=now,
    )
