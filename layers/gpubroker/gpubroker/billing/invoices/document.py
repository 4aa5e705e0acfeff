"""An invoice as PDF: the first page says what is to pay and what it is made of, the next ones show every line."""

from collections.abc import Iterable

from gpubroker.billing.invoices import texts
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.billing.invoices.pdf import (
    BOLD,
    HEIGHT,
    REGULAR,
    WIDTH,
    Colour,
    Document,
    Page,
    encoded,
    fitted,
    width_of,
)
from gpubroker.billing.invoices.period import Period

_INK: Colour = (0.09, 0.11, 0.16)
_SOFT: Colour = (0.42, 0.45, 0.52)
_FAINT: Colour = (0.87, 0.89, 0.92)
_WASH: Colour = (0.965, 0.97, 0.98)
_ACCENT: Colour = (0.07, 0.40, 0.36)
_WHITE: Colour = (1, 1, 1)
_SIGNALS: dict[State, Colour] = {
    State.PAID: (0.09, 0.50, 0.30),
    State.PAST_DUE: (0.75, 0.16, 0.16),
    State.VOID: _SOFT,
}

_LEFT = 48.0
_RIGHT = WIDTH - 48.0
_NUMBER = 72.0
_DESCRIPTION = 82.0
_QUANTITY = 402.0
_UNIT = 474.0
_ROW = 15.5
_BOTTOM = HEIGHT - 64.0

SECTIONS: tuple[tuple[str, frozenset[Kind]], ...] = (
    ("Rentals, paid from the balance when they ended", frozenset({Kind.RENTAL, Kind.RENTAL_ADJUSTMENT})),
    ("Usage", frozenset({Kind.USAGE})),
    ("Late usage of earlier months", frozenset({Kind.LATE_USAGE})),
    ("Plan", frozenset({Kind.PLAN_FEE, Kind.MINIMUM_SPEND, Kind.MAXIMUM_SPEND})),
    ("Discounts and rounding", frozenset({Kind.DISCOUNT, Kind.ROUNDING})),
)
"""In the order of the lines: drafting numbers them so."""


def rendered(invoice: Invoice, lines: Iterable[Line]) -> bytes:
    """The file. `lines` in the order of their numbers, read once, one after the other."""
    document = Document(f"Invoice {invoice.number or 'draft'}", author="GPUBROKER")
    table = _Table(document, _cover(invoice))
    for line in lines:
        table.add(line)
    table.finish()
    label = encoded(f"Invoice {invoice.number or 'draft'}  \u00b7  {Period.parse(invoice.period).name}")

    def footer(page: Page, number: int, count: int) -> None:
        page.line(_LEFT, HEIGHT - 46, _RIGHT - _LEFT, colour=_FAINT)
        page.text(_LEFT, HEIGHT - 32, label, size=7.5, colour=_SOFT)
        page.right(_RIGHT, HEIGHT - 32, b"Page %d of %d" % (number, count), size=7.5, colour=_SOFT)

    created = f"{invoice.issued_at or invoice.created_at:%Y%m%d%H%M%SZ}"
    return document.file(footer=footer, created=created)


def _cover(invoice: Invoice) -> tuple[Page, float]:
    """The first page down to where the lines begin."""
    page = Page()
    page.box(0, 0, WIDTH, 6, colour=_ACCENT)
    page.box(_LEFT, 42, 13, 13, colour=_ACCENT)
    page.box(_LEFT + 4, 46, 5, 5, colour=_WHITE)
    page.text(_LEFT + 20, 54, b"GPUBROKER", font=BOLD, size=15, colour=_INK)
    page.text(_LEFT + 20, 67, b"GPU compute marketplace", size=8, colour=_SOFT)
    page.right(_RIGHT, 58, b"Invoice", font=BOLD, size=24, colour=_INK)
    page.right(_RIGHT, 73, encoded(invoice.number or "Draft"), size=10, colour=_SOFT)

    facts = [("Billed to", invoice.account_id), ("Period", Period.parse(invoice.period).name)]
    if invoice.issued_at is not None:
        facts.append(("Issued", f"{invoice.issued_at:%d %B %Y}"))
    if invoice.due_at is not None:
        facts.append(("Due", f"{invoice.due_at:%d %B %Y}"))
    y = 116.0
    for name, value in facts:
        page.text(_LEFT, y, encoded(name), size=8, colour=_SOFT)
        page.text(_LEFT + 62, y, fitted(value, REGULAR, 9, 210), size=9, colour=_INK)
        y += 16

    _amount_due(page, invoice)
    y = _sums(page, invoice, max(y, 192.0))
    return page, y + 26


def _amount_due(page: Page, invoice: Invoice) -> None:
    left, width = 352.0, _RIGHT - 352.0
    page.box(left, 98, width, 72, colour=_WASH)
    page.box(left, 98, 3, 72, colour=_ACCENT)
    paid = invoice.state in (State.PAID, State.VOID)
    page.text(left + 16, 118, b"Nothing left to pay" if paid else b"Amount due", size=8.5, colour=_SOFT)
    remaining = 0 if invoice.state is State.VOID else max(0, invoice.remaining)
    page.text(left + 16, 145, encoded(texts.money(remaining)), font=BOLD, size=22, colour=_INK)
    word = encoded(invoice.state.value.replace("_", " ").upper())
    pill = width_of(word, BOLD, 7.5) + 14
    page.box(_RIGHT - pill - 12, 108, pill, 15, colour=_SIGNALS.get(invoice.state, _INK))
    page.text(_RIGHT - pill - 5, 118.5, word, font=BOLD, size=7.5, colour=_WHITE)
    page.text(left + 16, 160, b"US dollars", size=7.5, colour=_SOFT)


def _sums(page: Page, invoice: Invoice, y: float) -> float:
    """How the lines come to what is due, and what was paid of it."""
    rows = [("Sum of all lines", invoice.subtotal, False)]
    rows += [("Discounts", invoice.discounts, False)] if invoice.discounts else []
    rows += [("Rounding to the cent", invoice.rounding, False)] if invoice.rounding else []
    rows += [("Total", invoice.total, True)]
    rows += [("Rentals, paid already", -invoice.settled, False)] if invoice.settled else []
    rows += [("Credit notes", -invoice.credited, False)] if invoice.credited else []
    rows += [("Paid by credits", -invoice.by_credits, False)] if invoice.by_credits else []
    rows += [("Paid from the balance", -invoice.by_balance, False)] if invoice.by_balance else []
    rows += [("Paid by card", -invoice.by_card, False)] if invoice.by_card else []
    rows += [("Given back to the balance", invoice.overpaid, False)] if invoice.overpaid else []
    rows += [("Left to pay", 0 if invoice.state is State.VOID else invoice.remaining, True)]
    for name, amount, strong in rows:
        font = BOLD if strong else REGULAR
        if strong:
            page.line(352, y - 11, _RIGHT - 352, colour=_FAINT)
        page.text(352, y, encoded(name), font=font, size=9, colour=_INK if strong else _SOFT)
        page.right(_RIGHT, y, encoded(texts.money(amount)), font=font, size=9, colour=_INK)
        y += 16
    return y


class _Table:
    """The lines, page by page."""

    def __init__(self, document: Document, start: tuple[Page, float]) -> None:
        self._document = document
        self._page, self._y = start
        self._section = ""
        self._shaded = False
        self._head()

    def add(self, line: Line) -> None:
        section = next(name for name, kinds in SECTIONS if line.kind in kinds)
        if section != self._section:
            self._room(_ROW * 2.6)
            self._section, self._shaded = section, False
            self._y += 8
            self._page.text(_LEFT, self._y, encoded(section), font=BOLD, size=9.5, colour=_ACCENT)
            self._y += _ROW
        self._room(_ROW)
        page, y = self._page, self._y
        if self._shaded:
            page.box(_LEFT, y - 10.6, _RIGHT - _LEFT, _ROW, colour=_WASH)
        self._shaded = not self._shaded
        page.right(_NUMBER, y, b"%d" % line.number, size=7.5, colour=_SOFT)
        most = _QUANTITY - 78 - _DESCRIPTION if line.quantity is not None else _UNIT - _DESCRIPTION
        page.text(_DESCRIPTION, y, fitted(line.description, REGULAR, 8.5, most), size=8.5, colour=_INK)
        if line.quantity is not None:
            amount = encoded(f"{texts.quantity(line.quantity)} {line.unit}".rstrip())
            page.right(_QUANTITY, y, amount, size=8, colour=_SOFT)
        if line.rate is not None:
            page.right(_UNIT, y, encoded(texts.rate(line.rate)), size=8, colour=_SOFT)
        page.right(_RIGHT, y, encoded(texts.money(line.amount)), size=8.5, colour=_INK)
        self._y += _ROW

    def finish(self) -> None:
        self._document.add(self._page)

    def _room(self, points: float) -> None:
        if self._y + points > _BOTTOM:
            self._document.add(self._page)
            self._page, self._y, self._shaded = Page(), 56.0, False
            self._head()

    def _head(self) -> None:
        page, y = self._page, self._y
        page.right(_NUMBER, y, b"#", font=BOLD, size=7.5, colour=_SOFT)
        page.text(_DESCRIPTION, y, b"Description", font=BOLD, size=7.5, colour=_SOFT)
        page.right(_QUANTITY, y, b"Quantity", font=BOLD, size=7.5, colour=_SOFT)
        page.right(_UNIT, y, b"Unit price", font=BOLD, size=7.5, colour=_SOFT)
        page.right(_RIGHT, y, b"Amount", font=BOLD, size=7.5, colour=_SOFT)
        page.line(_LEFT, y + 5, _RIGHT - _LEFT, colour=_INK, thickness=0.8)
        self._y = y + 20
