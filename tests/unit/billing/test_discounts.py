"""What discounts take off, in which order, and never more than there is (444)."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.discounts.discount import Discount, Terms, take_off

NOV, DEC, JAN = (datetime(2026 + month // 13, (month - 1) % 12 + 1, 1, tzinfo=UTC) for month in (11, 12, 13))
FEB = datetime(2027, 2, 1, tzinfo=UTC)


def discount(
    name: str = "d", *, starts_at: datetime = NOV, ends_at: datetime | None = None, **terms: object
) -> Discount:
    return Discount(name, Terms(**terms), starts_at, ends_at, name)  # type: ignore[arg-type]


def off(*discounts: Discount, start: datetime = NOV, end: datetime = DEC, **charges: int) -> list[tuple[str, object]]:
    return [(one.discount_id, dict(one.by_resource)) for one in take_off(discounts, charges, start=start, end=end)]


def test_percentages_go_before_amounts_and_each_works_on_what_is_left() -> None:
    """(444)"""
    found = off(
        discount("amount", amount=30),
        discount("all", percentage=Decimal(10)),
        discount("egress", percentage=Decimal(50), resources=("egress",)),
        egress=200,
        gpu=100,
    )
    assert found == [
        ("egress", {"egress": 100}),
        ("all", {"egress": 10, "gpu": 10}),
        ("amount", {"egress": 15, "gpu": 15}),
    ]


def test_an_amount_is_never_more_than_the_charges() -> None:
    """(444)"""
    assert off(discount(amount=500), egress=120, gpu=0, credit=-50) == [("d", {"egress": 120})]
    assert off(discount(percentage=Decimal(100)), discount("e", amount=5), egress=7) == [("d", {"egress": 7})]
    assert off(discount(amount=5)) == []


def test_a_discount_of_one_period_is_of_the_first_that_had_it() -> None:
    """(444)"""
    once = discount(amount=100, duration="once")
    assert off(once, egress=60) == [("d", {"egress": 60})]
    used = Discount("d", once.terms, NOV, used={"2026-11": 60})
    assert off(used, egress=70) == [("d", {"egress": 40})], "late usage of the same period has what is left of it"
    assert off(used, start=DEC, end=JAN, egress=70) == []


def test_months_are_counted_from_the_one_it_began_in() -> None:
    """(444)"""
    two = discount(percentage=Decimal(10), duration="months", months=2, starts_at=datetime(2026, 11, 20, tzinfo=UTC))
    held = [two.holds(start, end) for start, end in ((NOV, DEC), (DEC, JAN), (JAN, FEB))]
    assert held == [True, True, False]


def test_it_holds_between_its_dates() -> None:
    """(444)"""
    bounded = discount(percentage=Decimal(10), duration="forever", starts_at=DEC, ends_at=JAN)
    held = [bounded.holds(start, end) for start, end in ((NOV, DEC), (DEC, JAN), (JAN, FEB))]
    assert held == [False, True, False]


terms = st.one_of(
    st.builds(Terms, percentage=st.decimals(0, 100, places=4, allow_nan=False), duration=st.just("forever")),
    st.builds(Terms, amount=st.integers(0, 10**7), duration=st.just("forever")),
)


@given(
    st.lists(terms, max_size=6),
    st.dictionaries(st.sampled_from("abcd"), st.integers(-(10**6), 10**8), max_size=4),
)
def test_nothing_falls_below_zero(found: list[Terms], charges: dict[str, int]) -> None:
    """(444)"""
    discounts = [Discount(f"d{place}", one, NOV) for place, one in enumerate(found)]
    left = dict(charges)
    for taken in take_off(discounts, charges, start=NOV, end=DEC):
        for resource, cut in taken.by_resource.items():
            assert cut > 0
            left[resource] -= cut
    assert all(left[name] >= min(0, charges[name]) for name in charges)
