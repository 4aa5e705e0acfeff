"""How price history is shown: USD per GPU-hour, with the exact micro-USD beside."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict, Field

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.prices.history.aggregate import Stats

CSV = "text/csv; charset=utf-8"


class Bucket(View):
    """What was asked in [start, end). A gap says that nobody knows: the figures are null, and nothing is made up."""

    start: str
    end: str
    min: float | None = None
    median: float | None = None
    max: float | None = None
    last: float | None = None
    min_micros: int | None = None
    median_micros: int | None = None
    max_micros: int | None = None
    last_micros: int | None = None
    samples: int = Field(0, description="prices seen: changes, and one an hour for each offer that was in the market")
    offers: int = 0
    gap: bool = Field(False, description="nothing was seen; a price that stood still was seen each hour, and is none")
    partial: bool = Field(False, description="the bucket is not over yet")

    @classmethod
    def of(cls, start: datetime, end: datetime, stats: Stats | None, now: datetime) -> Self:
        span = {"start": iso(start), "end": iso(end), "partial": end > now}
        if stats is None:
            return cls(**span, gap=True)
        prices = {"min": stats.low, "median": stats.median, "max": stats.high, "last": stats.last}
        return cls(
            **span,
            **{name: usd(price) for name, price in prices.items()},
            **{f"{name}_micros": price for name, price in prices.items()},
            samples=stats.samples,
            offers=stats.offers,
        )


class Point(View):
    """One change of one offer."""

    timestamp: str
    price: float
    price_micros: int
    old_price: float
    old_price_micros: int
    event_id: str


class HistoryView(View):
    """Points in the order of time: buckets, or the changes themselves where `resolution` is raw."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    gpu: str | None
    provider: str | None
    region: str | None
    spot: bool | None
    offer_id: str | None
    resolution: str
    since: str = Field(alias="from", description="not before what is kept of this resolution")
    until: str = Field(alias="to")
    currency: str = "USD"
    unit: str = "per GPU-hour"
    points: list[Bucket] | list[Point]
    gaps: int = Field(description="buckets of this page in which nothing was seen")
    next_cursor: str | None = None


_SUBJECT = ("gpu", "provider", "region", "spot", "offer_id")
_BUCKET = ("start", "end", "min", "median", "max", "last", "samples", "offers", "gap", "partial")
_POINT = ("timestamp", "price", "old_price", "event_id")


def as_csv(history: HistoryView) -> str:
    """RFC 4180: a header row, CRLF, quotes where needed. Nulls are empty cells."""
    columns = _POINT if history.resolution == "raw" else _BUCKET
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*columns, *_SUBJECT))
    subject = [getattr(history, name) for name in _SUBJECT]
    for point in history.points:
        writer.writerow(_cells([*(getattr(point, name) for name in columns), *subject]))
    return text.getvalue()


def _cells(values: Iterable[Any]) -> Iterator[Any]:
    """Texts that a spreadsheet would take for formulas are shown as text (OWASP, CSV injection)."""
    for value in values:
        if isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
            yield f"'{value}"
        else:
            yield value


def answer_of(history: HistoryView, form: str) -> dict[str, Any]:
    """Body, content type and headers of the answer in the form that was chosen. A table's cursor is a header."""
    headers = {"vary": "accept", "cache-control": "private, max-age=60"}
    if form != "text/csv":
        return {"body": history, "headers": headers}
    headers["content-disposition"] = 'attachment; filename="price-history.csv"'
    if history.next_cursor:
        headers["x-next-cursor"] = history.next_cursor
    return {"body": as_csv(history), "content_type": CSV, "headers": headers}
