"""Tiers, packages and commitments against the published test cases of OpenMeter, Lago and Kill Bill (443)."""

from decimal import Decimal

import pytest

from gpubroker.billing.rating import LineKind, RatedLine, ResourcePrice, owed, rate, rate_stretches, total
from gpubroker.billing.rating.prices import FlatModel, GraduatedModel, VolumeModel
from gpubroker.kernel.money import micros
from tests.unit.billing.prices import Row, graduated, package, tier, volume

# openmeterio/openmeter@7e57a394 openmeter/billing/rating/service/rate/tieredgraduated_test.go
OM_TOTALS: list[Row] = [("5", None, "100"), ("10", None, "50"), ("15", "10", None), (None, "5", None)]
OM_SPLIT: list[Row] = [("5", "0", "100"), ("10", None, "50"), ("15", "5", None), (None, "1", None)]
# getlago/lago-api@1b1c24a6 spec/services/charge_models/{graduated,volume}_service_spec.rb
LAGO_GRADUATED: list[Row] = [("10", "10", "2"), ("20", "5", "3"), (None, "5", "3")]
LAGO_VOLUME: list[Row] = [("100", "2", "10"), ("200", "1", "0"), (None, "0.5", "50")]


def charged(price: ResourcePrice, quantity: str) -> Decimal:
    """USD."""
    return Decimal(total(rate(price, Decimal(quantity)))) / 1_000_000


def dear(lines: list[RatedLine]) -> list[tuple[LineKind, int | None, Decimal, int]]:
    return [(line.kind, line.tier, line.quantity, line.amount) for line in lines if line.amount]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("0", "100"), ("3", "100"), ("5", "100"), ("5.001", "150"), ("7", "150"), ("12", "170"), ("22", "235")],
)
def test_a_boundary_belongs_to_the_lower_tier_and_entering_a_tier_costs_its_fee(quantity: str, expected: str) -> None:
    """OpenMeter TestTieredPriceCalculator/totals* (443)"""
    assert charged(graduated(OM_TOTALS), quantity) == Decimal(expected)


def test_a_later_part_of_the_period_goes_on_where_the_tiers_stopped() -> None:
    """OpenMeter `mid period, multiple tier usage` (443)"""
    lines = rate(graduated(OM_SPLIT), 10, 12)
    assert dear(lines) == [
        (LineKind.USAGE, 3, Decimal(3), micros(15)),
        (LineKind.USAGE, 4, Decimal(7), micros(7)),
    ]
    assert total(lines) == micros(22)


def test_a_minimum_is_charged_with_the_last_part_of_the_period_only() -> None:
    """OpenMeter `minimum price set` (443)"""
    price = graduated(OM_SPLIT, minimum="1000")
    assert dear(rate(price, 0, 2, previously_billed=micros(100))) == [
        (LineKind.MINIMUM_SPEND, None, Decimal(0), micros(900))
    ]
    assert rate(price, 0, 2, last=False) == []
    assert total(rate(price, 0, 2)) == micros(900), "what was billed before is known by the rule too"


def test_a_minimum_tops_up_the_flat_fee_and_adds_nothing_to_more() -> None:
    """OpenMeter tieredvolume_test.go `min spend` (443)"""
    tiers: list[Row] = [("5", None, "100"), ("10", None, "150"), ("15", "10", None), (None, "5", None)]
    idle = rate(volume(tiers, minimum="150"), 0)
    assert [line.amount for line in idle] == [micros(100), micros(50)]
    assert [line.amount for line in rate(volume(tiers, minimum="100"), 100)] == [micros(500)]


def test_a_maximum_cuts_what_goes_beyond_it_once() -> None:
    """(443)"""
    price = graduated([(None, "1", None)], maximum="10")
    assert dear(rate(price, 12)) == [
        (LineKind.USAGE, 1, Decimal(12), micros(12)),
        (LineKind.MAXIMUM_SPEND, None, Decimal(0), -2_000_000),
    ]
    assert total(rate(price, 5, 12)) == 0
    assert total(rate(price, 5, 8)) == micros(2)


@pytest.mark.parametrize(
    ("quantity", "expected"), [("0", "2"), ("1", "12"), ("10", "102"), ("11", "110"), ("12", "115"), ("21", "163")]
)
def test_graduated_ranges_with_a_fee_for_each_that_is_entered(quantity: str, expected: str) -> None:
    """Lago graduated_service_spec.rb (443)"""
    assert charged(graduated(LAGO_GRADUATED), quantity) == Decimal(expected)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", "10"),
        ("1", "12"),
        ("100", "210"),
        ("100.5", "100.5"),
        ("101", "101"),
        ("200", "200"),
        ("210", "155"),
        ("300", "200"),
    ],
)
def test_volume_prices_all_units_by_the_range_of_the_last(quantity: str, expected: str) -> None:
    """Lago volume_service_spec.rb; 100.5 belongs to the range after 100 (443)"""
    assert charged(volume(LAGO_VOLUME), quantity) == Decimal(expected)


@pytest.mark.parametrize(("free", "expected"), [("0", "1300"), ("10", "1200"), ("200", "0")])
def test_packages_are_rounded_up_after_the_free_units(free: str, expected: str) -> None:
    """Lago package_service_spec.rb (443)"""
    assert charged(package("10", "100", free), "121") == Decimal(expected)


def test_the_same_units_under_both_policies() -> None:
    """Kill Bill testComputeBilledUsageSizeOneWith_ALL_TIERS, _TOP_TIER; its tiers say how many blocks they hold,
    so they end at 10, 110 and 1,110 (killbill/killbill@cb60779c TestContiguousIntervalConsumableInArrear.java) (443)"""
    tiers: list[Row] = [("10", "1.5", None), ("110", "1.0", None), ("1110", "0.5", None)]
    every = rate(graduated(tiers), 111)
    assert [line.amount for line in every] == [micros("15.0"), micros("100.0"), micros("0.5")]
    assert total(rate(volume(tiers), 111)) == micros("55.5")


def test_units_sold_in_blocks_are_rounded_up_within_their_tier() -> None:
    """Kill Bill's blocks: ten of 100 at 1, then blocks of 1,000 at 10 (443)"""
    tiers = (tier("1000", "1", None, "100"), tier(None, "10", None, "1000"))
    price = ResourcePrice("units", GraduatedModel(tiers))
    lines = rate(price, 5325)
    assert [(line.blocks, line.amount) for line in lines] == [(10, micros(10)), (5, micros(50))]
    assert total(rate(ResourcePrice("units", VolumeModel(tiers)), 5325)) == micros(60)
    assert total(rate(price, 1, 5325)) == 0, "it lies in the block that was begun"


def test_usage_found_later_bills_its_difference() -> None:
    """Kill Bill testComputeMissingItems: 401 units are 5 blocks of which 1 was invoiced, 199 are 2 (443)"""
    price = package("100", "1")
    assert owed(price, 130 + 271, micros(1)) == micros("4.0")
    assert owed(price, 199, micros(1)) == micros("1.0")
    assert owed(price, 99, micros(2)) == -1_000_000


def test_units_are_converted_exactly() -> None:
    """Per hour and per GB, counted in seconds and MB (443)"""
    hour = ResourcePrice("gpu_seconds", FlatModel(Decimal(2)), unit="hour", per=3600)
    assert total(rate(hour, 1)) == 556  # 555.55... micro-dollars
    assert total(rate(hour, 5400)) == micros(3)
    egress = ResourcePrice(
        "network_egress_mb", GraduatedModel((tier("100", "0", None), tier(None, "0.08", None))), unit="gb", per=1000
    )
    assert dear(rate(egress, Decimal("100000.5"))) == [(LineKind.USAGE, 2, Decimal("0.5"), 40)]


def test_a_half_goes_to_the_even_micro_dollar() -> None:
    assert [total(rate(graduated([(None, "0.0000005", None)]), n)) for n in (1, 3, 5)] == [0, 2, 2]


def test_a_change_of_price_within_the_period_gives_no_tier_twice() -> None:
    """100 free units a period, whatever plan they fall under (443)"""
    old = graduated([("100", "0", None), (None, "2", None)])
    new = graduated([("100", "0", None), (None, "3", None)])
    first, second = rate_stretches([(old, 150), (new, 10)])
    assert (total(first), total(second)) == (micros(100), micros(30))
    dearer = graduated([(None, "1", None)], maximum="5")
    lower = graduated([(None, "1", None)], maximum="3")
    first, second = rate_stretches([(dearer, 10), (lower, 10)])
    assert (total(first), total(second)) == (micros(5), 0), "what was billed rightly is not taken back"


@pytest.mark.parametrize("wrong", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal("1e41"), -1])
def test_what_is_no_quantity_is_refused(wrong: Decimal) -> None:
    with pytest.raises(ValueError):
        rate(graduated(OM_TOTALS), wrong)


@pytest.mark.parametrize("wrong", [1.5, True, "3"])
def test_a_float_is_no_quantity(wrong: object) -> None:
    with pytest.raises(TypeError):
        rate(graduated(OM_TOTALS), wrong)  # type: ignore[arg-type]


def test_the_first_part_has_nothing_before_it() -> None:
    with pytest.raises(ValueError, match="nothing before"):
        rate(graduated(OM_TOTALS), 1, 5, first=True)
