"""What payments need of others: a processor that keeps the cards, and to know who may act for an account."""

from typing import Protocol

from gpubroker.billing.payments.payment import Card, Payment, Seen
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Unavailable
from gpubroker.storage.transaction import Writes


class ProcessorUnavailable(Unavailable):
    """It does not answer, or not in a way that says what became of the request: ask again."""

    code = "payments-unavailable"
    title = "The payment processor cannot be reached at the moment"


class UnknownToken(Exception):
    """The processor knows no such token."""


class PaymentProcessor(Protocol):
    """A card processor. Its name stands in the payment, so that its results are looked for where it was made."""

    name: str

    def card(self, token: str) -> Card:
        """The card behind a token. Raises UnknownToken, ProcessorUnavailable."""
        ...

    def create_payment(self, payment: Payment) -> Seen:
        """Take the money, once for this payment's id whatever is sent twice: the second call answers as the first did.

        Raises UnknownToken, ProcessorUnavailable; after the latter it may have been made."""
        ...

    def get(self, payment_id: str) -> Seen | None:
        """What became of the payment with this id of ours; None when it was never made. Raises ProcessorUnavailable."""
        ...

    def refund(self, payment: Payment) -> Seen:
        """Give all of it back, once. Raises ProcessorUnavailable."""
        ...


class Accounts(Protocol):
    """Who may see an account's invoices and payments and manage what it pays with: one's own account always, an
    organisation's those whose role there is to pay for it."""

    def may_see(self, caller: Caller, account_id: str) -> bool: ...


class Funds(Protocol):
    def available(self, account_id: str) -> int:
        """Micro-USD of an account's own that may be taken from it now."""
        ...


class Consequence(Protocol):
    """What the end of a payment changes elsewhere, in the same transaction (an invoice that is paid, say)."""

    def ended(self, tx: Writes, payment: Payment) -> None:
        """Add the writes that follow from a payment that has just succeeded, failed or been refunded."""
        ...
