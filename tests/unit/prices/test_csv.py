"""History as a table: RFC 4180, no formulas, and only where it is wanted most."""

import csv
import io

import pytest

from gpubroker.edge.negotiation import preferred
from gpubroker.prices.history.views import Bucket, HistoryView, Point, answer_of, as_csv

FORMS = ("application/json", "text/csv")
GAP = Bucket(start="2026-05-24T10:00:00.000Z", end="2026-05-24T11:00:00.000Z", gap=True)
SEEN = Bucket(start="2026-05-24T09:00:00.000Z", end="2026-05-24T10:00:00.000Z", min=1.5, median=2.0, max=2.5, last=2.5)


def history(points, **more):
    told = {"gpu": "H100", "provider": None, "region": None, "spot": None, "offer_id": None, "resolution": "hourly"}
    return HistoryView(**told | {"since": "a", "until": "b", "points": points, "gaps": 0} | more)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=nonsense, application/json;q=0.1", "application/json"),
        ("application/xml", "application/json"),
        ("application/json;q=0.9, text/*;q=0.95, text/csv;q=0.1", "application/json"),
    ],
)
def test_the_form_is_the_one_that_is_wanted_most(accept, form):
    assert preferred(accept, FORMS) == form


def test_a_table_has_a_header_and_empty_cells_for_what_nobody_knows():
    text = as_csv(history([SEEN, GAP]))
    assert text.count("\r\n") == 3
    assert text.replace("\r\n", "").isprintable()
    header, seen, gap = csv.reader(io.StringIO(text, newline=""))
    assert header[:7] == ["start", "end", "min", "median", "max", "last", "samples"]
    assert dict(zip(header, seen, strict=True)) | {"min": "1.5", "gpu": "H100"} == dict(zip(header, seen, strict=True))
    assert dict(zip(header, gap, strict=True))["min"] == ""
    assert dict(zip(header, gap, strict=True))["gap"] == "true"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'say "a", b'])
def test_a_name_is_never_a_formula_and_always_one_cell(name):
    (_, row) = csv.reader(io.StringIO(as_csv(history([GAP], gpu=name)), newline=""))
    told = row[-5]
    assert told == (name if name[0] == "s" else f"'{name}")


def test_raw_history_has_its_own_columns_and_a_table_its_cursor_in_a_header():
    point = Point(
        timestamp="t", price=1.5, price_micros=1_500_000, old_price=2.0, old_price_micros=2_000_000, event_id="e"
    )
    answer = answer_of(history([point], resolution="raw", next_cursor="more"), "text/csv")
    assert answer["body"].splitlines()[1] == "t,1.5,2.0,e,H100,,,,"
    assert answer["headers"]["x-next-cursor"] == "more"
    assert answer["headers"]["vary"] == "accept"
