"""What callers may do with invoices, and what administrators may."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gpubroker.billing.accounts import AccountNotFound
from gpubroker.billing.invoices import document, facts, settling, sheet
from gpubroker.billing.invoices import invoice as rules
from gpubroker.billing.invoices.credit_note import CreditNote, by_amounts, by_percentage, credited_before
from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.items import InvoiceItem, NoteItem
from gpubroker.billing.invoices.line import Line
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import Ledger, Leg
from gpubroker.billing.invoices.proof import Proof
from gpubroker.billing.invoices.requests import CreditNoteRequest, RunRequest, VoidRequest
from gpubroker.billing.invoices.store import InvoiceNotFound, Invoices
from gpubroker.billing.invoices.terms import Terms
from gpubroker.billing.invoices.views import (
    CreditNoteList,
    CreditNoteView,
    EventView,
    InvoicePage,
    InvoiceSummary,
    InvoiceView,
    LineEventsView,
    RunView,
)
from gpubroker.billing.payments.ports import Accounts
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, TooLarge
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.time import Clock, iso
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, AlreadyDone, StaleVersion, Writes, transaction

MOST_BYTES = 4_400_000
"""Of a binary answer: base64 makes a third more of it, and Lambda answers 6 MB."""
GZIP_FROM = 1_000_000


@dataclass(frozen=True, slots=True)
class File:
    """A document to be answered: its bytes, and their encoding where it is not the plain one."""

    name: str
    body: bytes
    encoding: str | None = None


class InvoiceDesk:
    def __init__(self, *, invoices: Invoices, accounts: Accounts, proof: Proof) -> None:
        self._invoices, self._accounts, self._proof = invoices, accounts, proof

    def page(
        self, caller: Caller, account_id: str | None, limit: int, before: str | None
    ) -> tuple[InvoicePage, str | None]:
        """An account's invoices, the latest period first, and where the next page begins."""
        account = account_id or caller.tenant
        if not self._accounts.may_see(caller, account):
            raise AccountNotFound(f"There is no account {account}.")
        found = self._invoices.newest_of(account, limit + 1, before)
        shown = found[:limit]
        onward = f"{shown[-1].period}#{shown[-1].invoice_id}" if len(found) > limit else None
        return InvoicePage(invoices=[InvoiceSummary.of(one) for one in shown]), onward

    def of(self, caller: Caller, invoice_id: str) -> Invoice:
        """Raises InvoiceNotFound, for another's too."""
        where = self._invoices.where(invoice_id)
        if not self._accounts.may_see(caller, where.account_id):
            raise InvoiceNotFound(f"There is no invoice {invoice_id}.")
        return self._invoices.of(where)

    def view(self, caller: Caller, invoice_id: str, limit: int, start: int) -> tuple[InvoiceView, int | None]:
        """The header with the lines from one on, and the number that the next page begins with."""
        invoice = self.of(caller, invoice_id)
        lines: list[Line] = []
        for line in self._invoices.lines(invoice, start):
            if len(lines) == limit:
                break
            lines.append(line)
        onward = start + len(lines) if start + len(lines) <= invoice.lines else None
        return InvoiceView.of(invoice, lines), onward

    def pdf(self, caller: Caller, invoice_id: str) -> File:
        invoice = self.of(caller, invoice_id)
        body = document.rendered(invoice, self._invoices.lines(invoice))
        if len(body) > MOST_BYTES:
            raise TooLarge("This invoice is too long for one PDF: use its CSV, or its lines page by page.")
        return File(f"{_name(invoice)}.pdf", body)

    def csv(self, caller: Caller, invoice_id: str, *, gzipped: bool) -> File:
        """gzipped: whether the caller takes gzip; used where it pays."""
        invoice = self.of(caller, invoice_id)
        body = sheet.rendered(invoice, self._invoices.lines(invoice))
        if gzipped and len(body) > GZIP_FROM:
            body = gzip.compress(body, 6, mtime=0)
            if len(body) <= MOST_BYTES:
                return File(f"{_name(invoice)}.csv", body, "gzip")
        if len(body) > MOST_BYTES:
            raise TooLarge("This invoice is too long for one answer: accept gzip, or read its lines page by page.")
        return File(f"{_name(invoice)}.csv", body)

    def events(self, caller: Caller, invoice_id: str, line: int, from_hour: int) -> tuple[LineEventsView, int | None]:
        invoice = self.of(caller, invoice_id)
        found = self._proof.events_of(invoice, line, from_hour)
        view = LineEventsView(
            invoice_id=invoice_id, line=line, events=[dict(event) for event in found.events], because=found.because
        )
        return view, found.next_hour

    def event(
        self, caller: Caller, event_id: str, instance_id: str, hour: datetime, account_id: str | None
    ) -> EventView:
        """Where an event of one's own went, or why it costs nothing."""
        account = account_id or caller.tenant
        if not self._accounts.may_see(caller, account):
            raise AccountNotFound(f"There is no account {account}.")
        whole = hour.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        found = self._proof.line_of(account, instance_id, whole, event_id)
        return EventView.of(event_id, instance_id, iso(whole), found)

    def notes(self, caller: Caller, invoice_id: str) -> CreditNoteList:
        invoice = self.of(caller, invoice_id)
        return CreditNoteList(credit_notes=[CreditNoteView.of(note) for note in self._invoices.notes_of(invoice)])


class AdminDesk:
    """What administrators do by hand; each act is a fact for the audit."""

    def __init__(self, *, invoices: Invoices, ledger: Ledger, terms: Terms, clock: Clock) -> None:
        self._invoices, self._ledger, self._terms, self._clock = invoices, ledger, terms, clock

    def credit(
        self, caller: Caller, invoice_id: str, wanted: CreditNoteRequest, idempotency: Idempotency
    ) -> CreditNoteView:
        """Give back some of an invoice: first off what is still to pay, the rest to the balance, in one transaction.

        Raises CreditExceedsLine, InvoiceState, InvoiceNotFound.
        """
        where = self._invoices.where(invoice_id)
        view: list[CreditNoteView] = []

        def once() -> Invoice:
            before, now = self._invoices.of(where), self._clock()
            earlier = self._invoices.notes_of(before)
            lines = {line.number: line for line in self._invoices.lines(before)}
            parts = (
                by_amounts(wanted.wanted(), lines, credited_before(earlier))
                if wanted.percentage is None
                else by_percentage(wanted.percentage, lines, credited_before(earlier))
            )
            amount = sum(part for _, part in parts)
            note_id = named_id("crn", invoice_id, idempotency.tenant, idempotency.key)
            after, back = rules.credit(before, note_id, amount, now)
            note = CreditNote(
                note_id=note_id,
                number=f"{before.number}-C{len(earlier) + 1}",
                invoice_id=invoice_id,
                account_id=before.account_id,
                lines=parts,
                amount=amount,
                to_due=amount - back,
                to_balance=back,
                reason=wanted.reason,
                by=caller.subject,
                at=now,
            )
            answer = CreditNoteView.of(note)
            with transaction(InvoiceItem, backoff=PATIENT) as tx:
                stored.remember(tx, InvoiceItem, idempotency, answer.model_dump(mode="json"))
                self._invoices.add_change(tx, before, after, now, self._credit_facts(note, caller, before, after))
                tx.put(NoteItem.of(note), condition=NoteItem.pk.does_not_exist(), lost=StaleVersion)
                if back:
                    settled = all(lines[number].kind.settled for number, _ in parts)
                    house = settling.ADJUSTMENTS if settled else settling.USAGE
                    reference = {"invoice_id": invoice_id, "credit_note_id": note_id}
                    legs = [Leg(house, before.account_id, back)]
                    self._ledger.add(tx, named_id("txn", note_id), "credit_note", legs, reference)
            view[:] = [answer]
            return after

        try:
            _racing(once)
        except AlreadyDone:
            return CreditNoteView.model_validate(stored.replay(InvoiceItem, idempotency))
        return view[0]

    @staticmethod
    def _credit_facts(note: CreditNote, caller: Caller, before: Invoice, after: Invoice) -> list[facts.Event]:
        act = facts.intervention(
            "credit-invoice",
            before.invoice_id,
            by=caller.subject,
            reason=note.reason,
            before={"credited_micros": before.credited, "state": before.state.value},
            after={"credited_micros": after.credited, "state": after.state.value},
            now=note.at,
        )
        return [facts.note_issued(note), act]

    def void(self, caller: Caller, invoice_id: str, wanted: VoidRequest) -> InvoiceSummary:
        """Give up an unpaid invoice; the credits that it burnt are whole again. Raises InvoiceState."""
        where = self._invoices.where(invoice_id)

        def also(tx: Writes, after: Invoice) -> None:
            if after.by_credits:
                self._terms.give_back(tx, after.account_id, after.invoice_id)
                legs = [Leg(settling.USAGE, settling.CREDITS, after.by_credits)]
                reference = {"invoice_id": after.invoice_id}
                self._ledger.add(tx, named_id("txn", after.invoice_id, "void"), "invoice_void", legs, reference)

        def told(before: Invoice, after: Invoice, now: datetime) -> list[facts.Event]:
            states = {"state": before.state.value}, {"state": after.state.value}
            return [
                facts.intervention(
                    "void-invoice", invoice_id, by=caller.subject, reason=wanted.reason,
                    before=states[0], after=states[1], now=now,
                )
            ]  # fmt: skip

        return InvoiceSummary.of(self._invoices.change(where, rules.void, also, told))

    def run(self, caller: Caller, wanted: RunRequest, idempotency: Idempotency | None) -> RunView:
        """Have a month's invoices made. Raises Invalid for one that is not over (for one account: not begun)."""
        now, period = self._clock(), Period.parse(wanted.period)
        if period.start > now or (wanted.account_id is None and period.end > now):
            raise Invalid.of("period", "is not over; of one account, the month that runs may be invoiced too")
        view = RunView(period=str(period), account_id=wanted.account_id)
        told = [
            facts.run_requested(period, wanted.account_id, caller.subject, now),
            facts.intervention(
                "run-invoices",
                wanted.account_id or str(period),
                by=caller.subject,
                reason=wanted.reason,
                after={"period": str(period), "account_id": wanted.account_id},
                now=now,
            ),
        ]
        try:
            with transaction(InvoiceItem) as tx:
                stored.remember(tx, InvoiceItem, idempotency, view.model_dump(mode="json"))
                for event in told:
                    tx.put(outbox_item(InvoiceItem, event, source=facts.SOURCE))
        except AlreadyDone:
            if idempotency is None:
                raise
            return RunView.model_validate(stored.replay(InvoiceItem, idempotency))
        return view


def _racing(once: Callable[[], Invoice]) -> None:
    for attempt in range(8):
        try:
            once()
            return
        except StaleVersion:
            if attempt == 7:
                raise


def _name(invoice: Invoice) -> str:
    return f"invoice-{invoice.number or invoice.invoice_id}"
