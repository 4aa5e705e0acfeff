"""Invoices as PDF and CSV (449)."""

import csv
import io
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.invoices import document, sheet, texts
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.line import Kind, Line, totals
from gpubroker.billing.invoices.pdf import BOLD, REGULAR, encoded, fitted, width_of

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)


def usage(number: int, text: str = "GPU time, i-1", amount: int = 1_234_567) -> Line:
    return Line(number, Kind.USAGE, text, amount, "2026-10", "i-1", "gpu_seconds", Decimal("1.5"), "h", Decimal("1.2"))


def invoice(lines: list[Line], state: State = State.OPEN) -> Invoice:
    sums = totals(lines)
    return Invoice(
        "inv_1", "usr_anna", "2026-10", "b", len(lines), sums.subtotal, sums.discounts, sums.rounding, sums.total,
        sums.settled, sums.due, NOW, NOW, state, "2026-000123", NOW, NOW,
    )  # fmt: skip


def parsed(file: bytes) -> tuple[list[str], list[bytes]]:
    """The texts of each page, and all objects; the cross-reference table must lead to every object."""
    start = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", file)[0])
    table = file[start:].split(b"trailer")[0].splitlines()[3:]
    objects = []
    for number, entry in enumerate(table, 1):
        at = int(entry[:10])
        assert file[at:].startswith(b"%d 0 obj\n" % number), f"object {number} is not at {at}"
        objects.append(file[at : file.index(b"\nendobj", at)])
    pages = []
    for one in objects:
        if b"/FlateDecode" in one:
            length = int(re.findall(rb"/Length (\d+)", one)[0])
            body = one[one.index(b"stream\n") + 7 :][:length]
            told = re.findall(rb"\((.*?)(?<!\\)\) Tj", zlib.decompress(body))
            pages.append("\n".join(text.decode("cp1252") for text in told))
    return pages, objects


def test_the_file_is_a_pdf_whose_table_leads_to_every_object() -> None:
    lines = [usage(number) for number in range(1, 301)]
    pages, objects = parsed(document.rendered(invoice(lines), lines))
    assert b"/Type /Catalog" in objects[0]
    assert b"/Count %d" % len(pages) in objects[1]
    assert len(objects) == 5 + 3 * len(pages)
    shown = re.findall(r"^(\d{1,3})$", "\n".join(pages), re.MULTILINE)
    assert [int(number) for number in shown] == list(range(1, 301)), "every line is there, in its order"


def test_the_first_page_says_what_is_to_pay_and_every_page_has_its_head() -> None:
    rental = Line(1, Kind.RENTAL, "H100 x1, vastai, 30 min, ren_1/m1", 1_000_000, "2026-10", "ren_1")
    lines = [rental, *(usage(number) for number in range(2, 120))]
    pages, _ = parsed(document.rendered(invoice(lines), lines))
    first = pages[0].splitlines()
    for text in ("GPUBROKER", "Invoice", "2026-000123", "usr_anna", "October 2026", "OPEN", "Amount due"):
        assert text in first
    assert texts.money(118 * 1_234_567) in first
    assert "Rentals, paid already" in first
    assert all("Description" in page for page in pages)


@pytest.mark.parametrize(("state", "word"), [(State.PAID, "PAID"), (State.PAST_DUE, "PAST DUE"), (State.VOID, "VOID")])
def test_its_state_is_on_it(state: State, word: str) -> None:
    lines = [usage(1)]
    pages, _ = parsed(document.rendered(invoice(lines, state), lines))
    assert word in pages[0].splitlines()
    assert ("Nothing left to pay" in pages[0]) is (state is not State.PAST_DUE)


def test_an_invoice_without_lines_is_one_page() -> None:
    pages, _ = parsed(document.rendered(invoice([]), []))
    assert len(pages) == 1


@given(st.text(max_size=200))
def test_no_text_breaks_the_file(text: str) -> None:
    lines = [usage(1, text)]
    parsed(document.rendered(replace(invoice(lines), account_id=text), lines))


@given(st.text(max_size=120), st.floats(20, 400))
def test_a_text_fits_where_it_shall(text: str, points: float) -> None:
    assert width_of(fitted(text, REGULAR, 8.5, points), REGULAR, 8.5) <= points


def test_widths_are_the_fonts_own() -> None:
    """Adobe's metrics: Helvetica's digits are 556 wide, its space 278; bold's M is 833."""
    assert width_of(b"0", REGULAR, 1000) == 556
    assert width_of(b" ", REGULAR, 1000) == 278
    assert width_of(b"M", BOLD, 1000) == 833
    assert width_of(encoded("€"), REGULAR, 1000) == 556


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"), (1, "$0.000001"), (10_000, "$0.01"), (1_234_567_890, "$1,234.56789"),
        (-500_000, "-$0.50"), (10**18, "$1,000,000,000,000.00"),
    ],
)  # fmt: skip
def test_amounts_are_read_exactly(amount: int, text: str) -> None:
    assert texts.money(amount) == text


# ------------------------------------------------------------------ CSV


def rows(lines: list[Line]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.rendered(invoice(lines), lines).decode(), newline="")))


def test_the_table_has_every_line_with_its_exact_amount() -> None:
    lines = [usage(1), replace(usage(2), amount=-3_333, kind=Kind.ROUNDING, quantity=None, rate=None)]
    first, second = rows(lines)
    assert (first["amount_usd"], first["amount_micros"], first["quantity"]) == ("1.234567", "1234567", "1.5")
    assert (second["amount_usd"], second["amount_micros"], second["quantity"]) == ("-0.003333", "-3333", "")
    assert sheet.rendered(invoice(lines), lines).count(b"\r\n") == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """OWASP, CSV injection."""
    [row] = rows([replace(usage(1, text), source=text)])
    assert row["description"] == f"'{text}"
    assert row["source"][0] == "'"


@given(st.lists(st.text(max_size=40), max_size=5))
def test_whatever_stands_in_a_line_comes_back(found: list[str]) -> None:
    lines = [usage(number, text) for number, text in enumerate(found, 1)]
    shown = [row["description"] for row in rows(lines)]
    assert [
        text.removeprefix("'") if text[:2] in ("'=", "'+", "'-", "'@", "'\t", "'\r") else text for text in shown
    ] == [text.removeprefix("'") if text[:2] in ("'=", "'+", "'-", "'@", "'\t", "'\r") else text for text in found]
