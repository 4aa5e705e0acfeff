"""An invoice and its states (docs/billing.md). Pure.

    draft -> issued -> paid
                |  `-> open -> past_due -> paid | void
                `----> (open) ----------> paid | void

draft      its lines are fixed; it has no number yet
issued     it has the next number of its year, and what is due is being collected
open       credits and balance did not cover it: a card is asked, or it waits to be paid
past_due   open after its due date; dunning goes on
void       an administrator gave it up; its number stays taken
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd

TERM = timedelta(days=14)
"""From the day of an invoice to its due date."""
DUNNING = (timedelta(days=1), timedelta(days=3), timedelta(days=5), timedelta(days=7), timedelta(days=14))
"""After a payment failed, the next is tried so much later; after the last one only people help."""
COLLECT_AGAIN = timedelta(minutes=10)
"""An issued invoice whose collection was cut off is taken up again after so long."""


class State(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    OPEN = "open"
    PAST_DUE = "past_due"
    PAID = "paid"
    VOID = "void"

    @property
    def unpaid(self) -> bool:
        return self in (State.OPEN, State.PAST_DUE)

    @property
    def final(self) -> bool:
        return self in (State.PAID, State.VOID)


class InvoiceState(Conflict):
    code = "invoice-state"
    title = "The invoice's state does not allow this"


@dataclass(frozen=True, slots=True)
class Invoice:
    """The header. Amounts in micro-USD.

    build            names the pages of lines that belong to it
    due              what its lines leave to pay; `credited` what credit notes took off it since
    by_credits       paid by promotional credits, and `by_balance` from the account, `by_card` through the processor
    overpaid         what credit notes or a negative total gave back to the balance
    payment_id       the payment under way, or the last one; `attempts` counts them
    next_at          when somebody must look at it: collection cut off, next try, due date
    complete_until   up to when usage was known to be complete when it was made; None: not told
    """

    invoice_id: str
    account_id: str
    period: str
    build: str
    lines: int
    subtotal: MicroUsd
    discounts: MicroUsd
    rounding: MicroUsd
    total: MicroUsd
    settled: MicroUsd
    due: MicroUsd
    created_at: datetime
    changed_at: datetime
    state: State = State.DRAFT
    number: str | None = None
    issued_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    by_credits: MicroUsd = 0
    by_balance: MicroUsd = 0
    by_card: MicroUsd = 0
    credited: MicroUsd = 0
    overpaid: MicroUsd = 0
    payment_id: str | None = None
    attempts: int = 0
    next_at: datetime | None = None
    complete_until: datetime | None = None
    notes: tuple[str, ...] = ()
    currency: str = "USD"
    version: int = 1
    resources: tuple[str, ...] = field(default=())

    @property
    def remaining(self) -> MicroUsd:
        """What is still to pay; negative where the house owes."""
        return self.due - self.credited - self.by_credits - self.by_balance - self.by_card + self.overpaid

    @property
    def paid(self) -> MicroUsd:
        """What was paid of it after it was issued."""
        return self.by_credits + self.by_balance + self.by_card


def invoice_id_of(account_id: str, period: str) -> str:
    """The one invoice of an account for a period: made twice, it is the same."""
    return named_id("inv", account_id, period)


def issue(invoice: Invoice, number: str, now: datetime) -> Invoice:
    """Give a draft its number."""
    if invoice.state is not State.DRAFT:
        return invoice
    return _changed(
        invoice,
        now,
        state=State.ISSUED,
        number=number,
        issued_at=now,
        due_at=now + TERM,
        next_at=now + COLLECT_AGAIN,
    )


def collected(invoice: Invoice, *, credits: MicroUsd, balance: MicroUsd, given_back: MicroUsd, now: datetime) -> Invoice:
    """So much was taken from credits and balance, or given back to it, of an issued or unpaid invoice."""
    _must_be(invoice, State.ISSUED, State.OPEN, State.PAST_DUE)
    after = _changed(
        invoice,
        now,
        by_credits=invoice.by_credits + credits,
        by_balance=invoice.by_balance + balance,
        overpaid=invoice.overpaid + given_back,
    )
    return _settled(after, now)


def charge(invoice: Invoice, payment_id: str, now: datetime) -> Invoice:
    """A card is asked for what remains."""
    _must_be(invoice, State.OPEN, State.PAST_DUE)
    return _changed(
        invoice,
        now,
        payment_id=payment_id,
        attempts=invoice.attempts + 1,
        next_at=None if invoice.state is State.PAST_DUE else invoice.due_at,
    )


def card_paid(invoice: Invoice, payment_id: str, amount: MicroUsd, now: datetime) -> Invoice:
    """A payment came through; of what is no longer due (a credit note meanwhile), the rest is given back."""
    remaining = max(0, invoice.remaining) if not invoice.state.final else 0
    after = replace(
        invoice,
        by_card=invoice.by_card + amount,
        overpaid=invoice.overpaid + max(0, amount - remaining),
        payment_id=payment_id,
    )
    return _settled(_changed(after, now), now)


def card_failed(invoice: Invoice, payment_id: str, now: datetime) -> Invoice:
    """A payment failed: the next try is later and later, and after the last there is none."""
    if invoice.state.final or invoice.payment_id != payment_id:
        return invoice
    tried = invoice.attempts - 1
    return _changed(invoice, now, next_at=_next(invoice, now + DUNNING[tried] if tried < len(DUNNING) else None, now))


def fall_due(invoice: Invoice, now: datetime) -> Invoice:
    """An open invoice whose due date has passed."""
    if invoice.state is not State.OPEN or invoice.due_at is None or now < invoice.due_at:
        return invoice
    return _changed(invoice, now, state=State.PAST_DUE)


def wait(invoice: Invoice, now: datetime) -> Invoice:
    """Nothing can be done before the due date; after it, nothing but by people."""
    return _changed(invoice, now, next_at=_next(invoice, None, now))


def credit(invoice: Invoice, note_id: str, amount: MicroUsd, now: datetime) -> tuple[Invoice, MicroUsd]:
    """A credit note takes so much off; the invoice, and what of it goes back to the balance, being paid already."""
    _must_be(invoice, State.ISSUED, State.OPEN, State.PAST_DUE, State.PAID)
    open_now = max(0, invoice.remaining)
    back = amount - min(open_now, amount)
    after = _changed(
        invoice,
        now,
        credited=invoice.credited + amount,
        overpaid=invoice.overpaid + back,
        notes=(*invoice.notes, note_id),
    )
    return (after if after.state is State.ISSUED else _settled(after, now)), back


def void(invoice: Invoice, now: datetime) -> Invoice:
    """Give up an unpaid invoice of which nothing was paid. Its number stays taken."""
    if invoice.state is State.VOID:
        return invoice
    _must_be(invoice, State.OPEN, State.PAST_DUE)
    if invoice.paid:
        raise InvoiceState("Something was paid of it: use a credit note.")
    return _changed(invoice, now, state=State.VOID, next_at=None)


def _settled(invoice: Invoice, now: datetime) -> Invoice:
    """Paid where nothing remains; open where something does."""
    if invoice.state.final:
        return invoice
    if invoice.remaining <= 0:
        return replace(invoice, state=State.PAID, paid_at=now, next_at=None)
    return replace(invoice, state=State.OPEN) if invoice.state is State.ISSUED else invoice


def _next(invoice: Invoice, wanted: datetime | None, now: datetime) -> datetime | None:
    """The earlier of a wanted moment and the due date, if that is still to come."""
    falls_due = invoice.due_at if invoice.state is State.OPEN else None
    return min((one for one in (wanted, falls_due) if one is not None), default=None)


def _must_be(invoice: Invoice, *states: State) -> None:
    if invoice.state not in states:
        raise InvoiceState(f"{invoice.invoice_id} is {invoice.state}.")


def _changed(invoice: Invoice, now: datetime, **what: object) -> Invoice:
    return replace(invoice, changed_at=now, version=invoice.version + 1, **what)  # type: ignore[arg-type]
