"""The processor's words, in its answers and its webhooks alike (docs/billing.md has the whole of them).

    {"id": "ch_...", "reference": "<our payment id>", "status": "processing" | "succeeded" | "failed" | "refunded",
     "amount": 1250, "currency": "usd", "failure_code": null}            amount in cents

A webhook is {"type": "payment.succeeded", "data": <the above>}.
"""

from typing import Any

import orjson

from gpubroker.billing.payments.payment import CENT, Card, Seen, State
from gpubroker.kernel.errors import Malformed

_STATES = {
    "processing": State.PROCESSING,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "refunded": State.REFUNDED,
}


def seen(told: Any) -> Seen:
    """Raises KeyError, TypeError or ValueError for what is no payment of theirs."""
    amount = told["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
        raise ValueError("an amount is a whole number of cents")
    failure = told.get("failure_code")
    return Seen(
        payment_id=str(told["reference"]),
        state=_STATES[told["status"]],
        amount=amount * CENT,
        currency=str(told["currency"]).upper(),
        processor_reference=str(told["id"]),
        failure=None if failure is None else str(failure)[:64],
    )


def card(told: Any) -> Card:
    """Raises KeyError, TypeError or ValueError for what is no card of theirs."""
    last4 = str(told["last4"])
    if len(last4) != 4 or not last4.isdigit():
        raise ValueError("the last four digits are four digits")
    return Card(str(told["brand"])[:32], last4, int(told["exp_month"]), int(told["exp_year"]))


def webhook(body: bytes) -> Seen | None:
    """What a webhook tells; None for a kind that does not concern payments. Raises Malformed."""
    try:
        told = orjson.loads(body)
        if not str(told["type"]).startswith("payment."):
            return None
        return seen(told["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed("This is no message of the payment processor.") from error
