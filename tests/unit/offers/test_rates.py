"""Prices in other currencies: converted once, at a rate of a known day, and never at one that is not to be believed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gpubroker.offers import rates_today, wire
from gpubroker.offers.rates import DATED, Rates, UnknownCurrency
from gpubroker.offers.rates_today import RatesRefused, Remembered, _believed, read

RATES = Rates({"EUR": Decimal("1.25"), "JPY": Decimal("0.00625")}, date(2026, 5, 22), "test")
ECB = b"""<?xml version="1.0"?><gesmes:Envelope><Cube><Cube time='2026-10-30'>
<Cube currency='USD' rate='1.1172'/><Cube currency='JPY' rate='175.68'/><Cube currency='GBP' rate='0.8338'/>
</Cube></Cube></gesmes:Envelope>"""


def test_a_price_in_euro_says_what_it_was_and_at_which_rate_of_which_day() -> None:
    assert wire.priced("0.75", gpus=1, currency="EUR", rates=RATES) == {
        "price_micros_per_hour": 937_500,
        "price_micros_per_gpu_hour": 937_500,
        "currency": "EUR",
        "native_price": "0.75",
        "exchange_rate": "1.25",
        "exchange_rate_as_of": "2026-05-22",
    }


def test_a_hundred_millionth_of_a_euro_is_not_lost() -> None:
    priced = wire.priced(Decimal(274000000) / 100_000_000, gpus=2, currency="EUR", rates=RATES)
    assert (priced["price_micros_per_hour"], priced["native_price"]) == (3_425_000, "2.74")
    assert priced["price_micros_per_gpu_hour"] == 1_712_500


@pytest.mark.parametrize(("currency", "rates"), [("XAU", RATES), ("EUR", None)])
def test_a_currency_without_a_rate_refuses_the_row_and_says_why(currency: str, rates: Rates | None) -> None:
    with pytest.raises(wire.Refused, match="currency"):
        wire.priced(1, gpus=1, currency=currency, rates=rates)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "a lot", None, True, 10**9])
def test_absurd_prices_are_refused_in_every_currency(value: object) -> None:
    with pytest.raises(wire.Refused, match="price"):
        wire.priced(value, gpus=1, currency="EUR", rates=RATES)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.1, 2.0, 3.29, 0.0001, 999.999999, 0.325449999999, 1.0000005, 1e-7, 12.48])
@pytest.mark.parametrize("gpus", [1, 3, 8])
def test_the_quick_way_and_the_exact_way_give_the_same(value: float, gpus: int) -> None:
    exact = Decimal(str(value))
    if wire.micros(exact) == 0:
        with pytest.raises(wire.Refused):
            wire.priced(value, gpus=gpus)
        return
    assert wire.priced(value, gpus=gpus) == wire.priced(exact, gpus=gpus)


def test_the_central_banks_file_by_way_of_the_euro() -> None:
    told = read(ECB, source="ecb")
    assert (told.day, told.source) == ("2026-10-30", "ecb")
    assert told.rate("EUR") == Decimal("1.1172")
    assert told.rate("JPY") == pytest.approx(Decimal("0.006359290"), abs=Decimal("1e-9"))
    assert told.rate("USD") == 1
    with pytest.raises(UnknownCurrency):
        told.rate("CHF")


def test_a_table_in_json_with_either_base() -> None:
    euro = read(b'{"base": "EUR", "date": "2026-10-30", "rates": {"USD": 1.1172, "GBP": 0.8338}}', source="x")
    dollar = read(b'{"base": "USD", "date": "2026-10-30", "rates": {"EUR": 0.89509488, "GBP": 0.74633}}', source="x")
    assert euro.rate("EUR") == pytest.approx(dollar.rate("EUR"), abs=Decimal("1e-6"))
    assert euro.rate("GBP") == pytest.approx(dollar.rate("GBP"), abs=Decimal("1e-4"))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>down</html>", b"{}", b"[]", b'{"base":"EUR","date":"soon","rates":{"USD":1}}', ECB + ECB,
     b'{"base":"EUR","date":"2026-10-30","rates":{"USD":0}}', b'{"base":"EUR","date":"2026-10-30","rates":{}}'],
    ids=str,
)  # fmt: skip
def test_what_is_no_table_is_refused(body: bytes) -> None:
    with pytest.raises(RatesRefused):
        read(body, source="x")


def moved(**changed: str) -> Rates:
    return Rates({**RATES.usd_per_unit, **{c: Decimal(r) for c, r in changed.items()}}, date(2026, 5, 23), "x")


NOW = datetime(2026, 5, 23, 9, tzinfo=UTC)


def test_a_table_that_moves_a_currency_by_more_than_a_quarter_or_lacks_one_is_not_believed() -> None:
    _believed(moved(EUR="1.5"), RATES, NOW)
    with pytest.raises(RatesRefused, match="EUR would move"):
        _believed(moved(EUR="12.5"), RATES, NOW)
    with pytest.raises(RatesRefused, match="without JPY"):
        _believed(Rates({"EUR": Decimal("1.2")}, date(2026, 5, 23), "x"), RATES, NOW)
    with pytest.raises(RatesRefused, match="future"):
        _believed(Rates(RATES.usd_per_unit, date(2026, 6, 23), "x"), RATES, NOW)


def test_the_release_brings_a_table_with_its_day_and_source() -> None:
    assert (DATED.day, DATED.rate("EUR")) == ("2026-10-30", Decimal("1.117200"))
    assert "European Central Bank" in DATED.source
    assert Rates.from_record(DATED.to_record()) == DATED


def test_what_is_remembered_is_asked_again_after_ten_minutes_and_outlives_the_table() -> None:
    now, told = [0.0], [RATES]

    def stored() -> Rates:
        if not told:
            raise ValueError("unreadable")
        return told[0]

    rates = Remembered(stored, clock=lambda: now[0])
    assert rates() is RATES
    told[0] = DATED
    now[0] = 599.0
    assert rates() is RATES
    now[0] = 600.0
    assert rates() is DATED
    told.clear()
    now[0] = 1200.0
    assert rates() is DATED
    assert rates_today.REMEMBERED_S == 600.0
