"""The exchange rates of the day: read from their source on a schedule, kept in the table, remembered by the sync.

The source is the European Central Bank's daily reference file, or any address that answers in its form or as
{"base": "EUR", "date": "2026-10-30", "rates": {"USD": 1.1172, ...}}. A table that would move a currency by more than
a quarter is not believed: it would put a false price on every offer in that currency.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx
import orjson
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, GetError, PutError

from gpubroker.kernel.time import Clock
from gpubroker.offers.rates import DATED, Rates
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.table import Item, Table

log = logging.getLogger(__name__)

ECB = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
MOST_OF_A_MOVE = Decimal("0.25")
REMEMBERED_S = 600.0
_MAX_BODY = 256 * 1024
_TIMEOUT_S = 10.0
_DAY = re.compile(r"time=[\"'](\d{4}-\d{2}-\d{2})[\"']")
_RATE = re.compile(r"currency=[\"']([A-Z]{3})[\"']\s+rate=[\"']([0-9.]+)[\"']")


class RatesRefused(Exception):
    """The source did not answer, or with something that is not to be believed. What was known stays in force."""


class RatesItem(Item):
    """RATES USD: the table in force. `as_of` orders the writes: an older day never replaces a newer one."""

    class Meta(Table):
        env = "OFFERS_TABLE"

    as_of = UnicodeAttribute()
    rates = UnicodeAttribute()


def stored() -> Rates:
    """The table in force: what was refreshed last, DATED before the first time."""
    try:
        item = RatesItem.get("RATES", "USD")
    except DoesNotExist:
        return DATED
    return Rates.from_record(orjson.loads(item.rates))


class Remembered:
    """`stored`, asked again every ten minutes; with the table away, what was known last."""

    def __init__(self, read: Callable[[], Rates] = stored, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._rates, self._until = DATED, 0.0

    def __call__(self) -> Rates:
        now = self._clock()
        if now >= self._until:
            self._until = now + REMEMBERED_S
            try:
                self._rates = self._read()
            except (GetError, ValueError, KeyError, TypeError) as error:
                log.warning("exchange rates not readable", extra={"error": repr(error), "in_force": self._rates.day})
        return self._rates


def refresh(url: str, *, now: Clock, client: httpx.Client) -> Rates:
    """Bring the table up to the source's day; what is in force now. Raises RatesRefused."""
    known = stored()
    told = read(_body(url, client), source=url)
    _believed(told, known, now())
    if told.as_of <= known.as_of:
        return known
    item = RatesItem("RATES", "USD", as_of=told.day, rates=orjson.dumps(told.to_record()).decode())
    try:
        item.save(RatesItem.pk.does_not_exist() | (RatesItem.as_of < told.day))
    except PutError as error:
        if not lost_condition(error):
            raise
        return stored()  # another refresh was first
    return told


def read(body: bytes, *, source: str) -> Rates:
    """The table in an answer of either form, by way of its base. Raises RatesRefused."""
    try:
        base, day, rates = _json(body) if body.lstrip().startswith(b"{") else _ecb(body)
        usd = rates["USD"] if base != "USD" else Decimal(1)
        table = {code: (usd / rate).quantize(Decimal("1e-9")) for code, rate in rates.items() if code != "USD"}
        if base != "USD":
            table[base] = usd
        return Rates(table, day, source)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise RatesRefused(f"no table of rates at {source} ({type(error).__name__})") from error


def _ecb(body: bytes) -> tuple[str, date, dict[str, Decimal]]:
    text = body.decode("utf-8", "replace")
    [day] = _DAY.findall(text)  # the daily file has one day; the historical ones are another source
    return "EUR", date.fromisoformat(day), {code: _rate(rate) for code, rate in _RATE.findall(text)}


def _json(body: bytes) -> tuple[str, date, dict[str, Decimal]]:
    told: Mapping[str, Any] = orjson.loads(body)
    base = str(told["base"]).upper()
    return base, date.fromisoformat(told["date"]), {code: _rate(rate) for code, rate in told["rates"].items()}


def _rate(value: object) -> Decimal:
    try:
        rate = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not rate.is_finite() or rate <= 0:
        raise ValueError("not a rate")
    return rate


def _believed(told: Rates, known: Rates, now: datetime) -> None:
    if told.as_of > (now.astimezone(UTC) + timedelta(days=1)).date():
        raise RatesRefused(f"a table of the future: {told.day}")
    for code, before in known.usd_per_unit.items():
        after = told.usd_per_unit.get(code)
        if after is None:
            raise RatesRefused(f"a table without {code}")
        if abs(after - before) > MOST_OF_A_MOVE * before:
            raise RatesRefused(f"{code} would move from {before:f} to {after:f}")


def _body(url: str, client: httpx.Client) -> bytes:
    try:
        with client.stream("GET", url, timeout=_TIMEOUT_S, follow_redirects=False) as answer:
            if not answer.is_success:
                raise RatesRefused(f"{url} answered {answer.status_code}")
            received = bytearray()
            for piece in answer.iter_bytes():
                received += piece
                if len(received) > _MAX_BODY:
                    raise RatesRefused(f"{url} answered with over {_MAX_BODY} bytes")
            return bytes(received)
    except httpx.HTTPError as error:
        raise RatesRefused(f"{url} did not answer ({type(error).__name__})") from error
