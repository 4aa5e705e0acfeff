"""Numbers and rows as providers send them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.offers import errors, wire
from gpubroker.offers.offer import Availability, Offer, as_moment, offer_id_of

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "gpus", "whole", "each", "text"),
    [
        (0.3254, 1, 325_400, 325_400, "0.3254"),
        ("2.29", 1, 2_290_000, 2_290_000, "2.29"),
        (Decimal("12.480000"), 8, 12_480_000, 1_560_000, "12.48"),
        (10, 3, 10_000_000, 3_333_333, "10"),
        (0.0000015, 1, 2, 2, "0.0000015"),  # half to even
        (0.0000025, 1, 2, 2, "0.0000025"),
        (1e-6, 1, 1, 1, "0.000001"),
        (7999.99, 8, 7_999_990_000, 999_998_750, "7999.99"),
    ],
)
def test_prices_are_exact(value: Any, gpus: int, whole: int, each: int, text: str) -> None:
    assert wire.price(value, gpus=gpus) == (whole, each, text)


@pytest.mark.parametrize(
    "value",
    [None, 0, -1, -0.0, float("nan"), float("inf"), float("-inf"), "NaN", "Infinity", "cheap", "", 1e12, 1001,
     True, 1e-9],
)  # fmt: skip
def test_what_is_no_price_is_refused(value: Any) -> None:
    with pytest.raises(wire.Refused, match="price"):
        wire.price(value, gpus=1)


@given(st.decimals(min_value="0.000001", max_value="999", places=6))
def test_a_json_number_loses_nothing_of_six_places(amount: Decimal) -> None:
    assert wire.price(float(amount), gpus=1)[0] == int(amount * 1_000_000)


@pytest.mark.parametrize("number", [None, 0, -1, 65])
def test_a_machine_has_one_to_sixty_four_gpus(number: int | None) -> None:
    with pytest.raises(wire.Refused, match="gpu_count"):
        wire.gpu_number(number)


def test_sizes_are_shown_tidily_and_nonsense_is_absent() -> None:
    assert [wire.tidy(value) for value in (16.0, 62.873, None, -1.0, float("nan"), float("inf"), 0)] == [
        16, 62.87, None, None, None, None, 0,
    ]  # fmt: skip


class Thing(wire.Row):
    id: wire.Id
    price: Decimal


def offer(identity: str, cost: int = 1) -> Offer:
    return Offer(
        offer_id=offer_id_of("x", identity), provider="x", provider_offer_id=identity, source="s", gpu_model="H100",
        gpu_count=1, price_micros_per_hour=cost, price_micros_per_gpu_hour=cost, currency="USD", native_price="1",
        fetched_at=NOW,
    )  # fmt: skip


def test_a_bad_row_is_counted_by_what_is_wrong_and_costs_no_other() -> None:
    harvest = wire.Harvest("x", NOW)
    rows = [
        {"id": 1, "price": 1},
        {"id": True, "price": 1},
        {"id": 2},
        {"id": 3, "price": float("nan")},
        None,
        [],
        {"id": "4", "price": "2", "new": {}},
    ]
    harvest.each(Thing, rows, lambda thing: [offer(thing.id)])
    found = harvest.offers()
    assert [one.provider_offer_id for one in found] == ["1", "4"]
    assert found.skipped == {"id": 1, "price": 2, "row": 2}


def test_a_row_that_is_refused_half_way_keeps_what_it_gave() -> None:
    def offers_of(thing: Thing) -> Any:
        yield offer(thing.id)
        raise wire.Refused("second")

    harvest = wire.Harvest("x", NOW)
    harvest.each(Thing, [{"id": 1, "price": 1}], offers_of)
    assert (len(harvest.offers()), harvest.offers().skipped) == (1, {"second": 1})


@pytest.mark.parametrize("rows", [None, {}, "text", 7])
def test_rows_that_are_no_list_are_an_unknown_answer(rows: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        wire.Harvest("x", NOW).each(Thing, rows, lambda thing: [])


def test_the_time_of_an_answer_may_be_written_in_three_ways() -> None:
    assert as_moment(NOW) is NOW
    assert as_moment(NOW.timestamp()) == as_moment("2026-05-24T10:00:00Z") == as_moment(NOW.replace(tzinfo=None)) == NOW


def test_an_offer_is_stored_whole() -> None:
    whole = offer("1")
    assert Offer.from_record(whole.to_record()) == whole
    assert "region" not in whole.to_record()
    assert whole.availability is Availability.UNKNOWN
    with pytest.raises((KeyError, TypeError, ValueError)):
        Offer.from_record({"offer_id": "x"})
