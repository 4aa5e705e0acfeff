"""How invoices are shown."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from gpubroker.billing.amounts import told
from gpubroker.billing.invoices.credit_note import CreditNote
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.line import Line
from gpubroker.billing.invoices.proof import REASONS, Billed
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class InvoiceSummary(View):
    invoice_id: str
    number: str | None = Field(description="of its year, without gaps; null while it is a draft")
    account_id: str
    period: str = Field(examples=["2026-10"])
    state: str = Field(description="draft, issued, open, past_due, paid or void")
    currency: str
    total: float = Field(description="all lines, discounts and rounding included")
    total_micros: int
    due: float = Field(description="the total without what was paid before: rentals, from the balance")
    due_micros: int
    remaining: float = Field(description="still to pay")
    remaining_micros: int
    lines: int
    issued_at: str | None
    due_at: str | None
    paid_at: str | None

    @classmethod
    def of(cls, invoice: Invoice) -> Self:
        return cls(**_summary(invoice))


class LineView(View):
    line: int
    kind: str
    description: str
    period: str
    source: str = Field(description="the instance, the rental, the plan or the discount that it is of")
    resource: str
    quantity: float | None
    unit: str
    unit_price: float | None = Field(description="USD; null where the price has several tiers")
    amount: float
    amount_micros: int

    @classmethod
    def of(cls, line: Line) -> Self:
        return cls(
            line=line.number,
            kind=line.kind.value,
            description=line.description,
            period=line.period,
            source=line.source,
            resource=line.resource,
            quantity=None if line.quantity is None else float(line.quantity),
            unit=line.unit,
            unit_price=None if line.rate is None else float(line.rate),
            **told("amount", line.amount),
        )


class InvoiceView(View):
    """An invoice with a page of its lines."""

    invoice_id: str
    number: str | None
    account_id: str
    period: str
    state: str
    currency: str
    subtotal: float
    subtotal_micros: int
    discounts: float
    discounts_micros: int
    rounding: float
    rounding_micros: int
    total: float
    total_micros: int
    settled: float = Field(description="rentals, paid from the balance when they ended")
    settled_micros: int
    due: float
    due_micros: int
    paid_by_credits: float
    paid_by_credits_micros: int
    paid_from_balance: float
    paid_from_balance_micros: int
    paid_by_card: float
    paid_by_card_micros: int
    credited: float = Field(description="by credit notes")
    credited_micros: int
    given_back: float = Field(description="to the balance")
    given_back_micros: int
    remaining: float
    remaining_micros: int
    lines: int
    issued_at: str | None
    due_at: str | None
    paid_at: str | None
    payment_id: str | None = Field(description="the card payment under way, or the last one")
    credit_notes: list[str]
    complete_until: str | None = Field(description="up to when usage was known to be complete when it was made")
    items: list[LineView]
    next_cursor: str | None = None

    @classmethod
    def of(cls, invoice: Invoice, lines: list[Line]) -> Self:
        return cls(
            **_summary(invoice),
            **told("subtotal", invoice.subtotal),
            **told("discounts", invoice.discounts),
            **told("rounding", invoice.rounding),
            **told("settled", invoice.settled),
            **told("paid_by_credits", invoice.by_credits),
            **told("paid_from_balance", invoice.by_balance),
            **told("paid_by_card", invoice.by_card),
            **told("credited", invoice.credited),
            **told("given_back", invoice.overpaid),
            payment_id=invoice.payment_id,
            credit_notes=list(invoice.notes),
            complete_until=None if invoice.complete_until is None else iso(invoice.complete_until),
            items=[LineView.of(line) for line in lines],
        )


class InvoicePage(View):
    invoices: list[InvoiceSummary]
    next_cursor: str | None = None


class LineEventsView(View):
    """Usage events in the shape in which they were sent, or the facts of a rental."""

    invoice_id: str
    line: int
    events: list[dict[str, Any]]
    because: str | None = Field(None, description="what it is made of, where that is no event")
    next_cursor: str | None = None


class BilledLine(View):
    line: int
    resource: str


class BilledView(View):
    invoice_id: str
    number: str | None
    period: str
    line: int = Field(description="the first of its lines")
    lines: list[BilledLine] = Field(description="one for each resource that it measured")


class EventView(View):
    """Where an event went."""

    event_id: str
    instance_id: str
    hour: str
    billed: BilledView | None
    reason: str | None = Field(description="why it costs nothing, or not yet", examples=list(REASONS))
    detail: str | None = Field(description="the same in a sentence")

    @classmethod
    def of(cls, event_id: str, instance_id: str, hour: str, found: Billed) -> Self:
        billed = None
        if found.invoice is not None:
            billed = BilledView(
                invoice_id=found.invoice.invoice_id,
                number=found.invoice.number,
                period=found.invoice.period,
                line=found.lines[0][0],
                lines=[BilledLine(line=number, resource=resource) for number, resource in found.lines],
            )
        detail = REASONS[found.reason] if found.reason else None
        return cls(
            event_id=event_id, instance_id=instance_id, hour=hour, billed=billed, reason=found.reason, detail=detail
        )


class CreditedLine(View):
    line: int
    amount: float
    amount_micros: int


class CreditNoteView(View):
    credit_note_id: str
    number: str
    invoice_id: str
    account_id: str
    amount: float
    amount_micros: int
    off_due: float = Field(description="off what was still to pay")
    off_due_micros: int
    to_balance: float = Field(description="back to the account's balance")
    to_balance_micros: int
    lines: list[CreditedLine]
    reason: str
    at: str

    @classmethod
    def of(cls, note: CreditNote) -> Self:
        return cls(
            credit_note_id=note.note_id,
            number=note.number,
            invoice_id=note.invoice_id,
            account_id=note.account_id,
            **told("amount", note.amount),
            **told("off_due", note.to_due),
            **told("to_balance", note.to_balance),
            lines=[CreditedLine(line=number, **told("amount", amount)) for number, amount in note.lines],
            reason=note.reason,
            at=iso(note.at),
        )


class CreditNoteList(View):
    credit_notes: list[CreditNoteView]


class RunView(View):
    """A run was asked for; its workflow makes what is not there yet."""

    period: str
    account_id: str | None
    accepted: bool = True


def _summary(invoice: Invoice) -> Mapping[str, Any]:
    remaining = 0 if invoice.state is State.VOID else invoice.remaining
    return {
        "invoice_id": invoice.invoice_id,
        "number": invoice.number,
        "account_id": invoice.account_id,
        "period": invoice.period,
        "state": invoice.state.value,
        "currency": invoice.currency,
        **told("total", invoice.total),
        **told("due", invoice.due),
        **told("remaining", remaining),
        "lines": invoice.lines,
        "issued_at": None if invoice.issued_at is None else iso(invoice.issued_at),
        "due_at": None if invoice.due_at is None else iso(invoice.due_at),
        "paid_at": None if invoice.paid_at is None else iso(invoice.paid_at),
    }
