"""Money is exact inside and decimal at the edge (DESIGN §3)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.kernel.money import cost, micros, usd


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2.49", 2_490_000), ("0.0000005", 0), ("0.0000015", 2), (3, 3_000_000), (Decimal("-0.1"), -100_000)],
)
def test_dollars_become_micro_dollars_rounded_half_to_even(written, expected):
    assert micros(written) == expected


@pytest.mark.parametrize("wrong", ["", "abc", "NaN", "Infinity", "-inf"])
def test_what_is_no_amount_is_refused(wrong):
    with pytest.raises(ValueError, match="not an amount"):
        micros(wrong)


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_the_number_shown_is_the_amount_exactly(amount):
    assert micros(Decimal(repr(usd(amount)))) == amount


def test_a_cost_is_rounded_once_half_to_even():
    assert cost(3600, 1) == 1
    assert cost(1800, 1) == 0  # half of a micro-dollar goes to the even neighbour
    assert cost(5400, 1) == 2
    assert cost(2_490_000, 5400) == 3_735_000


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_time_never_costs_less(price, seconds, more):
    assert cost(price, seconds + more) >= cost(price, seconds)
