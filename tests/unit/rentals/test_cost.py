"""What is charged: by the second, per member, rounded half to even once (DESIGN §7)."""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.rentals import cost, endings, terms
from gpubroker.rentals.rental import Charge, Member
from tests.unit.rentals.lives import NOW, after, ready, with_price


def member(*charges: Charge) -> Member:
    return Member("m1", "label", ready().offer, 1, charges=charges)


def test_an_hour_costs_the_price_of_an_hour() -> None:
    assert cost.member_cost(member(Charge(2_990_000, NOW, after(hours=1))), NOW) == 2_990_000


def test_a_second_costs_a_3600th_rounded_half_to_even() -> None:
    assert cost.member_cost(member(Charge(1_800, NOW, after(seconds=1))), NOW) == 0  # 0.5 goes to the even 0
    assert cost.member_cost(member(Charge(5_400, NOW, after(seconds=1))), NOW) == 2  # 1.5 goes to the even 2
    assert cost.member_cost(member(Charge(1_801, NOW, after(seconds=1))), NOW) == 1


def test_terms_at_two_prices_are_added_before_the_one_rounding() -> None:
    two = member(Charge(1_800, NOW, after(seconds=1)), Charge(1_800, after(seconds=1), after(seconds=2)))
    assert cost.member_cost(two, NOW) == 1  # 0.5 + 0.5; rounding each would have lost it


def test_what_was_undone_costs_nothing() -> None:
    from dataclasses import replace

    assert cost.member_cost(replace(member(Charge(10**9, NOW, after(hours=9))), void=True), NOW) == 0


@given(
    price=st.integers(0, 10**9),
    lengths=st.lists(st.integers(0, 10**6), max_size=5),
    bound=st.integers(0, 10**7),
)
def test_the_cost_is_the_exact_sum_rounded_once_and_a_bound_never_raises_it(
    price: int, lengths: list[int], bound: int
) -> None:
    charges, at = [], NOW
    for number, seconds in enumerate(lengths):
        charges.append(Charge(price + number, at, at + timedelta(seconds=seconds)))
        at += timedelta(seconds=seconds)
    exact = sum((Fraction(c.price_micros * s, 3600) for c, s in zip(charges, lengths, strict=True)), Fraction(0))
    due = Decimal(exact.numerator) / Decimal(exact.denominator)
    whole = cost.member_cost(member(*charges), at)
    assert abs(whole - exact) <= Fraction(1, 2)
    assert whole == int(due.to_integral_value(ROUND_HALF_EVEN))
    assert cost.member_cost(member(*charges), at, at_most_seconds=bound) <= whole


@given(count=st.integers(1, 6), price=st.integers(1, 10**8), used=st.integers(0, 7_200))
def test_a_rental_costs_the_sum_of_its_members_and_never_more_than_was_held(count: int, price: int, used: int) -> None:
    rental = ready(count=count, terms=with_price(price))
    held = rental.held.micros
    rental, _ = endings.end(rental, at=after(seconds=used), now=after(seconds=used), reason="requested")
    total = cost.rental_cost(rental, after(days=1))
    assert total == sum(cost.member_cost(one, after(days=1)) for one in rental.members)
    assert total <= held


@given(price=st.integers(0, 10**9), seconds=st.integers(0, 10**7), count=st.integers(1, 100))
def test_a_hold_covers_the_charge(price: int, seconds: int, count: int) -> None:
    assert cost.committed(price, seconds, count) * 3600 >= price * seconds * count


def test_the_price_of_each_term_is_charged_for_that_term() -> None:
    rental = ready(auto_renew=True, limit=3_000_000)
    rental, _ = terms.renew(rental, {"m1": 3_000_000}, after(hours=1, seconds=40))
    rental, _ = endings.end(rental, at=after(hours=1, minutes=30), now=after(hours=1, minutes=30), reason="requested")
    assert cost.rental_cost(rental, after(hours=5)) == 2_000_000 + 1_500_000
