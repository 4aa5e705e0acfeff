"""The table of exchange rates in force: refreshed from its source, never back to an older day."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from gpubroker.offers import rates_today
from gpubroker.offers.rates import DATED
from gpubroker.offers.rates_today import RatesRefused, refresh, stored

URL = "https://rates.example/daily.xml"
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def source(day: str = "2026-11-02", euro: str = "1.10", status: int = 200, body: bytes | None = None) -> httpx.Client:
    rates = {code: str(Decimal(euro) / usd) for code, usd in DATED.usd_per_unit.items() if code != "EUR"}
    told = {"base": "EUR", "date": day, "rates": {"USD": euro, **rates}}
    content = body if body is not None else json.dumps(told).encode()
    return httpx.Client(
        trust_env=False, transport=httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    )


def now() -> datetime:
    return NOW


def test_before_the_first_refresh_the_table_of_the_release_is_in_force(table: Any) -> None:
    assert stored() == DATED


def test_a_newer_day_comes_into_force_and_an_older_one_never_again(table: Any) -> None:
    assert refresh(URL, now=now, client=source()).rate("EUR") == Decimal("1.10")
    assert (stored().day, stored().rate("EUR")) == ("2026-11-02", Decimal("1.10"))
    assert refresh(URL, now=now, client=source("2026-11-01", "1.05")).day == "2026-11-02"
    assert stored().rate("EUR") == Decimal("1.10")


def test_of_two_refreshes_at_once_the_newer_day_stays(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh(URL, now=now, client=source("2026-11-02"))
    with monkeypatch.context() as patched:
        patched.setattr(rates_today, "stored", lambda: DATED)  # it read before the other one wrote
        refresh(URL, now=now, client=source("2026-11-01", "1.05"))
    assert stored().day == "2026-11-02"


@pytest.mark.parametrize(
    "client",
    [source(euro="2.9"), source(status=503), source(body=b"<html>"), source(body=b"x" * 300_000), source("2027-05-01")],
    ids=["absurd", "503", "html", "huge", "future"],
)
def test_a_source_that_errs_leaves_what_is_in_force(table: Any, client: httpx.Client) -> None:
    with pytest.raises(RatesRefused):
        refresh(URL, now=now, client=client)
    assert stored() == DATED
