"""Fees: tiers, percentages, rounding. # (27)-(33)"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.kernel.errors import Invalid
from gpubroker.management.fees import (
    FIRST,
    FeeConfig,
    Fees,
    Tier,
    acceptable_fees,
    fees_of,
    inclusive_split,
    require_sound,
    tier_of,
)

USD = 1_000_000
HALF = Decimal("0.5")
PERCENTAGES = st.decimals(0, 100, places=4)


def test_a_thousand_dollars_cost_each_side_five() -> None:
    """The acceptance case of the origin: $1,000 gives $5 of the buyer and $5 of the seller."""
    fees = fees_of(1000 * USD, HALF, HALF)
    assert (fees.buyer, fees.seller, fees.total) == (5 * USD, 5 * USD, 10 * USD)


def test_the_payout_example_of_the_origin() -> None:
    """yoonil-computeportal/market-transaction-uex 0f23f1ff, seller/PAYOUT_APIS.md: of 1599.99 the management tier takes
    0.5 % and the exchange 0.1 %, each rounded to the cent: 8.00 + 1.60 = 9.60, and 1590.39 are paid out."""
    amount = 1_599_990_000
    to_the_cent = Fees(8_000_000, 1_600_000)
    assert to_the_cent in acceptable_fees(amount, HALF, Decimal("0.1"))
    assert to_the_cent.total == 9_600_000
    assert amount - to_the_cent.total == 1_590_390_000


def test_each_fee_is_rounded_half_to_even_by_itself() -> None:
    assert fees_of(100, HALF, HALF) == Fees(0, 0)  # half a micro-dollar
    assert fees_of(300, HALF, HALF) == Fees(2, 2)  # one and a half
    assert fees_of(301, HALF, Decimal(0)) == Fees(2, 0)


def test_a_fee_to_the_cent_may_be_rounded_either_way_at_the_half() -> None:
    accepted = {fees.total for fees in acceptable_fees(1001 * USD, HALF, HALF)}
    assert accepted == {2 * 5_005_000, 2 * 5_000_000, 2 * 5_010_000}


def test_an_all_in_price_is_taken_apart_exactly() -> None:
    split = inclusive_split(1_005_000_000, HALF, HALF)
    assert (split.amount, split.fees, split.payout) == (1000 * USD, Fees(5 * USD, 5 * USD), 995 * USD)


@given(st.integers(0, 10**18), PERCENTAGES, PERCENTAGES)
def test_what_the_buyer_pays_is_what_the_seller_gets_and_the_fees(total: int, buyer: Decimal, seller: Decimal) -> None:
    split = inclusive_split(total, buyer, seller)
    assert split.total == split.payout + split.fees.total
    assert min(split.amount, split.payout, split.fees.buyer, split.fees.seller) >= 0
    # Within a micro-dollar of what the percentage says.
    assert abs(split.amount * buyer / 100 - split.fees.buyer) <= 1 + buyer / 100
    fees = fees_of(split.amount, buyer, seller)
    assert fees.seller == split.fees.seller
    assert abs(fees.buyer - split.fees.buyer) <= 2


def test_a_boundary_belongs_to_the_tier_that_begins_there() -> None:
    """(31) minimum inclusive, maximum exclusive, the last one open"""
    assert [
        tier.tier_id for volume in (0, 9_999_999_999, 10_000_000_000, 10**18) if (tier := tier_of(FIRST, volume))
    ] == [
        "standard",
        "standard",
        "premium",
        "premium",
    ]


def test_outside_all_tiers_the_defaults_hold() -> None:
    """(28)"""
    config = _config(_tier("one", 0, 100, "0.1", "0.2"))
    assert (config.pct_of("buyer", 99), config.pct_of("seller", 99)) == (Decimal("0.1"), Decimal("0.2"))
    assert (config.pct_of("buyer", 100), config.pct_of("seller", 100)) == (HALF, HALF)
    assert tier_of(_config(), 5) is None


def test_buyer_and_seller_are_each_rated_by_their_own_volume() -> None:
    """(32)"""
    config = _config(_tier("one", 0, 100, "0.1", "0.2"), _tier("two", 100, None, "0.01", "0.02"))
    assert (config.pct_of("buyer", 5), config.pct_of("seller", 500)) == (Decimal("0.1"), Decimal("0.02"))


@given(st.lists(st.integers(1, 10**12), max_size=8, unique=True), st.booleans(), st.integers(0, 10**13))
def test_a_sound_configuration_has_one_answer_for_every_volume(cuts: list[int], is_open: bool, volume: int) -> None:
    edges = [0, *sorted(cuts)]
    ends: list[int | None] = [*edges[1:], None] if is_open else list(edges[1:])
    tiers = [_tier(str(start), start, end) for start, end in zip(edges, ends, strict=False)]
    require_sound(HALF, HALF, tiers)
    assert sum(tier.covers(volume) for tier in tiers) == (
        1 if is_open or (len(edges) > 1 and volume < edges[-1]) else 0
    )


def _tier(name: str, low: int, high: int | None, buyer: str = "0.5", seller: str = "0.5") -> Tier:
    return Tier(name, name, low, high, Decimal(buyer), Decimal(seller))


def _config(*tiers: Tier) -> FeeConfig:
    now = datetime(2026, 5, 24, tzinfo=UTC)
    return FeeConfig(1, HALF, HALF, tiers, now, now, "usr_1")


@pytest.mark.parametrize(
    ("tiers", "field", "word"),
    [
        ([_tier("a", 0, 100), _tier("b", 99, None)], "tiers.1.minVolume", "overlaps"),
        ([_tier("a", 0, 100), _tier("b", 101, None)], "tiers.1.minVolume", "gap"),
        ([_tier("a", 10, 100)], "tiers.0.minVolume", "gap"),
        ([_tier("a", 0, None), _tier("b", 100, None)], "tiers.0.maxVolume", "open"),
        ([_tier("a", 0, 0)], "tiers.0.maxVolume", "over minVolume"),
        ([_tier("b", 100, None), _tier("a", 0, 100)], "tiers.0.minVolume", "gap"),
        ([_tier("a", 0, 100), _tier("a", 100, None)], "tiers.1.id", "two tiers"),
        ([_tier("a", 0, None, buyer="100.1")], "tiers.0.buyerFee", "0 and 100"),
        ([_tier("a", 0, None, seller="-0.1")], "tiers.0.sellerFee", "0 and 100"),
        ([_tier(str(n), n, n + 1) for n in range(51)], "tiers", "50"),
    ],
)
def test_wrong_tiers_are_refused_with_the_field(tiers: list[Tier], field: str, word: str) -> None:
    """(31) overlaps and gaps"""
    with pytest.raises(Invalid) as refused:
        require_sound(HALF, HALF, tiers)
    told = {one.field: one.message for one in refused.value.fields}
    assert word in told[field]


@pytest.mark.parametrize("field", ["buyerFee", "sellerFee"])
@pytest.mark.parametrize("pct", [Decimal("-0.1"), Decimal("100.0001"), Decimal(200)])
def test_default_percentages_are_between_0_and_100(field: str, pct: Decimal) -> None:
    buyer, seller = (pct, HALF) if field == "buyerFee" else (HALF, pct)
    with pytest.raises(Invalid, match=field):
        require_sound(buyer, seller, [])
    require_sound(Decimal(0), Decimal(100), [])


def test_what_stands_at_the_beginning_is_sound() -> None:
    require_sound(FIRST.buyer_pct, FIRST.seller_pct, FIRST.tiers)
    assert replace(FIRST, version=1).tiers[-1].maximum is None
