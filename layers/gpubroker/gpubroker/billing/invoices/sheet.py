"""An invoice as CSV (RFC 4180): a header row, one row a line, CRLF. Exact amounts; nothing a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.line import Line

CONTENT_TYPE = "text/csv; charset=utf-8"
COLUMNS = (
    "invoice",
    "line",
    "kind",
    "period",
    "description",
    "source",
    "resource",
    "quantity",
    "unit",
    "unit_price_usd",
    "amount_usd",
    "amount_micros",
    "currency",
)


def rendered(invoice: Invoice, lines: Iterable[Line]) -> bytes:
    """UTF-8 bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    name = invoice.number or invoice.invoice_id
    for line in lines:
        row = (
            name,
            line.number,
            line.kind.value,
            line.period,
            line.description,
            line.source,
            line.resource,
            line.quantity,
            line.unit,
            line.rate,
            exact(line.amount),
            line.amount,
            invoice.currency,
        )
        writer.writerow(_cells(row))
    return text.getvalue().encode()


def exact(amount: int) -> str:
    """Micro-USD as a decimal of six places."""
    whole, rest = divmod(abs(amount), 1_000_000)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:06d}"


def _cells(values: Iterable[Any]) -> Iterator[Any]:
    """Texts that a spreadsheet would take for formulas are shown as text (OWASP, CSV injection); amounts that we wrote
    ourselves are numbers, a minus included."""
    for value in values:
        if value is None:
            yield ""
        elif isinstance(value, Decimal):
            yield f"{value:f}"
        elif isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _number(value):
            yield f"'{value}"
        else:
            yield value


def _number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()
