"""The facts of invoices; their schemas stand in events/billing/."""

from datetime import datetime

from gpubroker.billing.facts import INTERVENTION, SOURCE, intervention
from gpubroker.billing.invoices.credit_note import CreditNote
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.period import Period
from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.time import iso

__all__ = ["INTERVENTION", "SOURCE", "Event", "intervention", "note_issued", "of_change", "run_requested"]

OF_STATE = {
    State.ISSUED: "InvoiceIssued",
    State.PAID: "InvoicePaid",
    State.PAST_DUE: "InvoicePastDue",
    State.VOID: "InvoiceVoided",
}
RUN_REQUESTED = "InvoiceRunRequested"
NOTE_ISSUED = "CreditNoteIssued"


def of_change(before: State, after: Invoice, now: datetime) -> list[Event]:
    """What a change of an invoice's state tells."""
    kind = OF_STATE.get(after.state)
    if after.state is before or kind is None:
        return []
    data = {
        "invoice_id": after.invoice_id,
        "number": after.number,
        "account_id": after.account_id,
        "period": after.period,
        "state": after.state.value,
        "currency": after.currency,
        "total_micros": after.total,
        "due_micros": after.due,
        "remaining_micros": 0 if after.state is State.VOID else max(0, after.remaining),
        "due_at": None if after.due_at is None else iso(after.due_at),
        "at": iso(now),
    }
    event_id = named_id("evt", after.invoice_id, after.state.value)
    return [Event(kind, after.invoice_id, data, id=event_id, occurred_at=now)]


def note_issued(note: CreditNote) -> Event:
    data = {
        "credit_note_id": note.note_id,
        "number": note.number,
        "invoice_id": note.invoice_id,
        "account_id": note.account_id,
        "currency": "USD",
        "amount_micros": note.amount,
        "to_balance_micros": note.to_balance,
        "at": iso(note.at),
    }
    return Event(NOTE_ISSUED, note.invoice_id, data, id=named_id("evt", note.note_id), occurred_at=note.at)


def run_requested(period: Period, account_id: str | None, by: str, now: datetime) -> Event:
    """The workflow is to be started; its execution is named by this event, so that it starts once."""
    data = {"period": str(period), "account_id": account_id, "by": by, "at": iso(now)}
    return Event(RUN_REQUESTED, account_id or str(period), data, occurred_at=now)
