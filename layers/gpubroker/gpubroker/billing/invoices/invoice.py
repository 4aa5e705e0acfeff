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
"""After a payment failed, the same card is tried so much later, and after the last one no more; another card, or money
on the balance, is taken at the next daily look."""
LOOK_AGAIN = timedelta(days=1)
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
    payment_id       the payment under way, or the last one, by the method `method_id`; `payments` counts
                     all, `attempts` those of this method; it may be tried again from `card_at` on (None: not any more)
    by_resource      what is due by resource, for credits that pay for some only
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
    method_id: str | None = None
    attempts: int = 0
    payments: int = 0
    card_at: datetime | None = None
    next_at: datetime | None = None
    complete_until: datetime | None = None
    notes: tuple[str, ...] = ()
    currency: str = "USD"
    version: int = 1
    by_resource: dict[str, MicroUsd] = field(default_factory=dict)

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


def collected(
    invoice: Invoice, *, credits: MicroUsd, balance: MicroUsd, given_back: MicroUsd, now: datetime
) -> Invoice:
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


def charge(invoice: Invoice, payment_id: str, method_id: str, now: datetime) -> Invoice:
    """A card is asked for what remains."""
    _must_be(invoice, State.OPEN, State.PAST_DUE)
    attempts = invoice.attempts + 1 if method_id == invoice.method_id else 1
    return _changed(
        invoice,
        now,
        payment_id=payment_id,
        method_id=method_id,
        payments=invoice.payments + 1,
        attempts=attempts,
        next_at=_next_look(invoice, now),
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


def card_taken_back(invoice: Invoice, amount: MicroUsd, now: datetime) -> Invoice:
    """A payment that had come through was taken back: the invoice is unpaid again, unless it is void."""
    after = _changed(invoice, now, by_card=invoice.by_card - amount)
    if invoice.state is not State.PAID or after.remaining <= 0:
        return after
    return replace(after, state=State.OPEN, paid_at=None, card_at=None, next_at=_next_look(after, now))


def card_failed(invoice: Invoice, payment_id: str, now: datetime) -> Invoice:
    """A payment failed: the next try by the same card is later and later, and after the last there is none."""
    if invoice.state.final or invoice.payment_id != payment_id:
        return invoice
    tried = invoice.attempts - 1
    card_at = now + DUNNING[tried] if tried < len(DUNNING) else None
    return _changed(invoice, now, card_at=card_at, next_at=_next_look(invoice, now))


def may_charge(invoice: Invoice, method_id: str, now: datetime) -> bool:
    """Whether this method may be asked now: one that was not asked last at once, the same one by the schedule."""
    if invoice.method_id != method_id:
        return True
    return invoice.card_at is not None and invoice.card_at <= now


def fall_due(invoice: Invoice, now: datetime) -> Invoice:
    """An open invoice whose due date has passed."""
    if invoice.state is not State.OPEN or invoice.due_at is None or now < invoice.due_at:
        return invoice
    return _changed(invoice, now, state=State.PAST_DUE)


def wait(invoice: Invoice, now: datetime) -> Invoice:
    """Nothing can be done now: looked at again tomorrow, or at the due date if that is sooner."""
    return _changed(invoice, now, next_at=_next_look(invoice, now))


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
    """Give up an invoice of which nobody paid anything. Its number stays taken."""
    if invoice.state is State.VOID:
        return invoice
    _must_be(invoice, State.OPEN, State.PAST_DUE)
    if invoice.by_balance or invoice.by_card or invoice.credited:
        raise InvoiceState("Something was paid of it: use a credit note.")
    return _changed(invoice, now, state=State.VOID, next_at=None)


def _settled(invoice: Invoice, now: datetime) -> Invoice:
    """Paid where nothing remains; open where something does."""
    if invoice.state.final:
        return invoice
    if invoice.remaining <= 0:
        return replace(invoice, state=State.PAID, paid_at=now, next_at=None)
    return replace(invoice, state=State.OPEN) if invoice.state is State.ISSUED else invoice


def _next_look(invoice: Invoice, now: datetime) -> datetime:
    wanted = now + LOOK_AGAIN
    if invoice.state is State.OPEN and invoice.due_at is not None and now < invoice.due_at:
        return min(wanted, invoice.due_at)
    return wanted


def _must_be(invoice: Invoice, *states: State) -> None:
    if invoice.state not in states:
        raise InvoiceState(f"{invoice.invoice_id} is {invoice.state}.")


def _changed(invoice: Invoice, now: datetime, **what: object) -> Invoice:
    return replace(invoice, changed_at=now, version=invoice.version + 1, **what)  # type: ignore[arg-type]
