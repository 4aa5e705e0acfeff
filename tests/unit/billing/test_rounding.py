"""Sums survive rounding, however a period is cut and however lines are rounded (443)."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.rating import (
    FlatModel,
    GraduatedModel,
    PackageModel,
    PriceModel,
    ResourcePrice,
    Tier,
    VolumeModel,
    half_even,
    rate,
    rate_stretches,
    share_out,
    to_cents,
    total,
)
from gpubroker.billing.rating.levels import time_weighted
from gpubroker.billing.rating.proration import by_days, by_seconds, prorated

quantities = st.decimals(0, 10_000, places=6, allow_nan=False)
unit_prices = st.decimals(0, 20, places=9, allow_nan=False)
fees = st.integers(0, 50_000_000)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.decimals(1, 5000, places=3, allow_nan=False), max_size=4)))
    blocks = st.none() | st.decimals(1, 300, places=1, allow_nan=False)
    return tuple(Tier(up_to, draw(unit_prices), draw(fees), draw(blocks)) for up_to in [*bounds, None])


models: st.SearchStrategy[PriceModel] = st.one_of(
    st.builds(FlatModel, unit_prices),
    st.builds(GraduatedModel, tiers()),
    st.builds(VolumeModel, tiers()),
    st.builds(PackageModel, st.decimals(1, 300, places=2, allow_nan=False), fees, quantities),
)
bounds = st.none() | st.integers(0, 200_000_000)


@st.composite
def prices(draw: st.DrawFn) -> ResourcePrice:
    low, high = sorted([draw(st.integers(0, 200_000_000)), draw(st.integers(0, 200_000_000))])
    return ResourcePrice(
        "units",
        draw(models),
        per=draw(st.sampled_from([1, 1000, 3600])),
        minimum=low if draw(st.booleans()) else None,
        maximum=high if draw(st.booleans()) else None,
    )


@given(prices(), st.lists(quantities, min_size=1, max_size=5))
def test_however_a_period_is_cut_its_parts_add_up_to_the_whole(price: ResourcePrice, parts: list[Decimal]) -> None:
    """(441, 443)"""
    whole = total(rate(price, sum(parts, Decimal(0))))
    before, billed = Decimal(0), 0
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        billed += total(rate(price, part, before, first=place == 0, last=last))
        before += part
    assert billed == whole
    assert sum(map(total, rate_stretches([(price, part) for part in parts]))) == whole


@given(prices(), quantities)
def test_a_price_keeps_within_its_bounds(price: ResourcePrice, quantity: Decimal) -> None:
    charged = total(rate(price, quantity))
    assert charged >= (price.minimum or 0)
    if price.maximum is not None:
        assert charged <= price.maximum


@given(unit_prices, quantities)
def test_a_line_is_rounded_once(unit_price: Decimal, quantity: Decimal) -> None:
    exact = unit_price * 1_000_000 * quantity
    line = rate(ResourcePrice("units", FlatModel(unit_price)), quantity)
    assert total(line) == int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_half_to_even_is_the_rounding_of_fractions(value: int, divisor: int) -> None:
    assert half_even(value, divisor) == round(Fraction(value, divisor))


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_shares_add_up_and_none_is_off_by_one(amount: int, weights: list[int]) -> None:
    parts = share_out(amount, weights)
    assert sum(parts) == amount
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(amount * weight, sum(weights))) < 1


def test_what_is_left_goes_to_the_largest_remainders() -> None:
    assert share_out(100, [1, 1, 1]) == [34, 33, 33]
    assert share_out(10, [1, 5, 3]) == [1, 6, 3]
    assert share_out(7, [0, 0]) == [0, 7]
    assert share_out(0, []) == []
    with pytest.raises(ValueError):
        share_out(1, [])
    with pytest.raises(ValueError):
        share_out(1, [2, -1])


@given(st.lists(st.integers(-(10**10), 10**10), max_size=40))
def test_the_sum_of_the_rounded_lines_is_the_rounded_total(amounts: list[int]) -> None:
    """(441)"""
    cents = to_cents(amounts)
    assert sum(cents) == round(Fraction(sum(amounts), 10_000))
    assert all(abs(Fraction(amount, 10_000) - cent) < 1 for amount, cent in zip(amounts, cents, strict=True))


# ------------------------------------------------------------------ parts of a period


def test_both_ends_of_a_stay_count() -> None:
    """Lago upgrade_proration_spec.rb: 91,000 cents for 91 days, 20 May to 20 June is 32 days (443)"""
    assert by_days(91_000, first=date(2024, 5, 20), last=date(2024, 6, 20), period_days=91) == 32_000


JUNE, JULY = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)


def test_a_fee_is_shared_by_seconds_or_by_days_or_not_at_all() -> None:
    half = {"since": datetime(2024, 6, 16, 0, 0, 1, tzinfo=UTC), "until": JULY, "start": JUNE, "end": JULY}
    assert prorated(30_000_000, "seconds", **half) == half_even(30_000_000 * (15 * 86400 - 1), 30 * 86400)
    assert prorated(30_000_000, "days", **half) == 15_000_000
    assert prorated(30_000_000, "none", **half) == 30_000_000
    gone = {"since": JULY, "until": JULY + timedelta(days=1), "start": JUNE, "end": JULY}
    assert prorated(30_000_000, "days", **gone) == 0


@given(st.integers(0, 10**9), st.lists(st.integers(0, 2_592_000), max_size=6))
def test_a_share_is_never_more_than_the_whole(amount: int, cuts: list[int]) -> None:
    moments = [JUNE, *sorted(JUNE + timedelta(seconds=cut) for cut in cuts), JULY]
    parts = [prorated(amount, "seconds", since=a, until=b, start=JUNE, end=JULY) for a, b in pairwise(moments)]
    assert all(0 <= part <= amount for part in parts)
    assert abs(sum(parts) - amount) <= len(parts)
    assert prorated(amount, "seconds", since=JUNE, until=JULY, start=JUNE, end=JULY) == amount


def test_a_part_longer_than_its_period_is_refused() -> None:
    with pytest.raises(ValueError):
        by_days(1, first=date(2024, 5, 1), last=date(2024, 6, 1), period_days=30)
    with pytest.raises(ValueError):
        by_seconds(1, used=timedelta(seconds=2), period=timedelta(seconds=1))


# ------------------------------------------------------------------ levels

AUGUST, SEPTEMBER = datetime(2023, 8, 1, tzinfo=UTC), datetime(2023, 9, 1, tzinfo=UTC)
CHANGES = [
    (AUGUST + timedelta(hours=hours), change)
    for hours, change in ((0, 2), (1, 3), (1.5, 1), (2, -4), (4, -2), (5, 10), (5.5, -10))
]


@pytest.mark.parametrize(("initial", "expected"), [("0", "0.02218"), ("1000", "1000.02218")])
def test_a_level_counts_for_as_long_as_it_stood(initial: str, expected: str) -> None:
    """Lago weighted_sum_service_spec.rb: 16.5 unit-hours of 744 (443)"""
    found = time_weighted(CHANGES, start=AUGUST, end=SEPTEMBER, initial=Decimal(initial))
    assert round(found, 5) == Fraction(expected)
    assert time_weighted(CHANGES[::-1], start=AUGUST, end=SEPTEMBER, initial=Decimal(initial)) == found


def test_changes_at_one_moment_add_up() -> None:
    """Lago weighted_sum_service_spec.rb (443)"""
    assert time_weighted([(AUGUST, 3), (AUGUST, 3)], start=AUGUST, end=SEPTEMBER) == 6
    assert time_weighted([(AUGUST, 1000)], start=AUGUST, end=SEPTEMBER) == 1000


def test_changes_outside_the_period() -> None:
    early, late = AUGUST - timedelta(days=3), SEPTEMBER
    assert time_weighted([(early, 5), (late, 7)], start=AUGUST, end=SEPTEMBER) == 5
