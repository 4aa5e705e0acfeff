"""Where invoices are kept. A header, its state's fact, its number and the money that it moves are one transaction."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.billing.invoices import facts
from gpubroker.billing.invoices.credit_note import CreditNote
from gpubroker.billing.invoices.invoice import Invoice, issue
from gpubroker.billing.invoices.items import (
    InvoiceItem,
    InvoiceOwnerItem,
    NoteItem,
    NumberItem,
    PageItem,
    header_sk,
    invoices_pk,
)
from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.billing.invoices.packing import pack, unpack
from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.time import Clock, utc_now
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, AlreadyDone, StaleVersion, Writes, transaction

LINES_A_PAGE = 400
_TRIES = 12
_BASE_SECONDS = 0.02
_LONGEST_SECONDS = 0.5

Also = Callable[[Writes, Invoice], None]


class InvoiceNotFound(NotFound):
    code = "invoice-not-found"
    title = "There is no such invoice"


class AlreadyDrafted(Exception):
    """This period of this account has its invoice."""


@dataclass(frozen=True, slots=True)
class Where:
    """What leads to a header."""

    account_id: str
    period: str
    invoice_id: str


def line_pages(lines: Sequence[Line]) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, packed page)."""
    for start in range(0, len(lines), LINES_A_PAGE):
        page = lines[start : start + LINES_A_PAGE]
        yield page[0].number, pack([_told(line) for line in page])


class Invoices:
    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock, self._sleep, self._jitter = clock, sleep, jitter

    # ------------------------------------------------------------ read

    def where(self, invoice_id: str) -> Where:
        """Raises InvoiceNotFound."""
        try:
            item = InvoiceOwnerItem.get(f"INVOICE#{invoice_id}", "OWNER", consistent_read=True)
        except DoesNotExist:
            raise InvoiceNotFound(f"There is no invoice {invoice_id}.") from None
        return Where(item.account, item.period, invoice_id)

    def of(self, where: Where) -> Invoice:
        """The header. Raises InvoiceNotFound."""
        found = self.find(where)
        if found is None:
            raise InvoiceNotFound(f"There is no invoice {where.invoice_id}.")
        return found

    def find(self, where: Where) -> Invoice | None:
        try:
            return InvoiceItem.get(
                invoices_pk(where.account_id), header_sk(where.period, where.invoice_id), consistent_read=True
            ).value()
        except DoesNotExist:
            return None

    def newest_of(self, account_id: str, limit: int, before: str | None) -> list[Invoice]:
        """The latest period first, from before a key (`<period>#<id>`) on."""
        condition = InvoiceItem.sk < before if before else None
        found = InvoiceItem.query(
            invoices_pk(account_id), condition, scan_index_forward=False, limit=limit, page_size=limit,
            consistent_read=True,
        )  # fmt: skip
        return [item.value() for item in found]

    def lines(self, invoice: Invoice, start: int = 1) -> Iterator[Line]:
        """The lines from number `start` on, page by page."""
        first = f"{invoice.build}#{(start - 1) // LINES_A_PAGE * LINES_A_PAGE + 1:06d}"
        for item in PageItem.query(_lines_pk(invoice), PageItem.sk.between(first, f"{invoice.build}#~"), page_size=4):
            for told in unpack(item.page):
                if told[0] >= start:
                    yield _line(told)

    def due(self, now: datetime, *, limit: int = 50) -> Iterator[Where]:
        """Invoices that somebody must look at by now."""
        for pk, sk in InvoiceItem.due_by(now, limit=limit):
            period, _, invoice_id = sk.partition("#")
            yield Where(pk.rpartition("#")[0], period, invoice_id)

    def notes_of(self, invoice: Invoice) -> list[CreditNote]:
        found = NoteItem.query(f"{invoice.account_id}#NOTES#{invoice.invoice_id}", consistent_read=True)
        return sorted((item.value() for item in found), key=lambda note: (note.at, note.note_id))

    # ------------------------------------------------------------ write

    @staticmethod
    def put_lines(invoice: Invoice, pages: Iterable[tuple[int, bytes]]) -> None:
        """The pages of a build, before its header: they count for nothing without it."""
        with PageItem.batch_write() as batch:
            for first, page in pages:
                batch.save(PageItem(pk=_lines_pk(invoice), sk=f"{invoice.build}#{first:06d}", page=page))

    @staticmethod
    def drop_other_builds(invoice: Invoice) -> None:
        """Pages of builds that lost, or whose writer died."""
        keys = PageItem.query(_lines_pk(invoice), attributes_to_get=["pk", "sk"])
        others = [item for item in keys if not item.sk.startswith(f"{invoice.build}#")]
        with PageItem.batch_write() as batch:
            for item in others:
                batch.delete(item)

    @staticmethod
    def add_draft(tx: Writes, invoice: Invoice) -> None:
        tx.put(InvoiceItem.of(invoice), condition=InvoiceItem.pk.does_not_exist(), lost=AlreadyDrafted)
        tx.put(InvoiceOwnerItem.of(invoice), condition=InvoiceOwnerItem.pk.does_not_exist(), lost=AlreadyDrafted)

    @staticmethod
    def add_change(tx: Writes, before: Invoice, after: Invoice, now: datetime, events: Iterable[Event] = ()) -> None:
        """Add a change of a header, with what it tells, to a transaction. Losing means StaleVersion."""
        tx.put(InvoiceItem.of(after), condition=InvoiceItem.version == before.version, lost=StaleVersion)
        for event in [*facts.of_change(before.state, after, now), *events]:
            tx.put(outbox_item(InvoiceItem, event, source=facts.SOURCE))

    def change(
        self,
        where: Where,
        rule: Callable[[Invoice, datetime], Invoice],
        also: Also | None = None,
        events: Callable[[Invoice, Invoice, datetime], Iterable[Event]] | None = None,
    ) -> Invoice:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        also: adds what belongs to it to the transaction, given the header as it will be. A rule that changes nothing
        writes nothing.
        """

        def once() -> Invoice:
            before, now = self.of(where), self._clock()
            after = rule(before, now)
            if after is before:
                return before
            with transaction(InvoiceItem, backoff=PATIENT) as tx:
                self.add_change(tx, before, after, now, events(before, after, now) if events else ())
                if also is not None:
                    also(tx, after)
            return after

        return self.racing(once)

    def issue(self, where: Where) -> Invoice:
        """Give a draft the next number of its year. The number and the header are one write: no number is ever lost or
        given twice."""

        def once() -> Invoice:
            before, now = self.of(where), self._clock()
            last = self._last_number(now.year)
            after = issue(before, f"{now.year}-{last + 1:06d}", now)
            if after is before:
                return before
            unmoved = NumberItem.last == last if last else NumberItem.pk.does_not_exist()
            with transaction(InvoiceItem, backoff=PATIENT) as tx:
                self.add_change(tx, before, after, now)
                tx.put(NumberItem.of(now.year, last + 1), condition=unmoved, lost=StaleVersion)
            return after

        return self.racing(once)

    def racing(self, once: Callable[[], Invoice]) -> Invoice:
        """Do something until nobody else was first. What had been done before is seen by reading again."""
        for attempt in range(_TRIES):
            try:
                return once()
            except (StaleVersion, AlreadyDone):
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable("The invoice is changing too fast; try again.", retry_after=1)

    @staticmethod
    def _last_number(year: int) -> int:
        key = NumberItem.of(year)
        try:
            return int(NumberItem.get(key.pk, key.sk, consistent_read=True).last)
        except DoesNotExist:
            return 0


def _lines_pk(invoice: Invoice) -> str:
    return f"{invoice.account_id}#LINES#{invoice.invoice_id}"


def _told(line: Line) -> list[object]:
    return [
        line.number,
        line.kind.value,
        line.description,
        line.amount,
        line.period,
        line.source,
        line.resource,
        None if line.quantity is None else str(line.quantity),
        line.unit,
        None if line.rate is None else str(line.rate),
    ]


def _line(told: list[Any]) -> Line:
    number, kind, description, amount, period, source, resource, quantity, unit, rate = told
    return Line(
        number,
        Kind(kind),
        description,
        amount,
        period,
        source,
        resource,
        None if quantity is None else Decimal(quantity),
        unit,
        None if rate is None else Decimal(rate),
    )
