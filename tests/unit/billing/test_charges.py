"""A month of an account on its plans (441, 443)."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.plans.charges import Charge, Fee, charges, fees
from gpubroker.billing.plans.plan import EPOCH, PlanPeriod, PlanVersion, in_force, stretches
from gpubroker.billing.plans.standard import STANDARD_PLAN
from gpubroker.billing.rating import FlatModel, LineKind, ResourcePrice
from gpubroker.kernel.money import micros
from tests.unit.billing.prices import graduated
from tests.unit.billing.test_rounding import prices, quantities

NOV, MID, DEC = (datetime(2026, *day, tzinfo=UTC) for day in ((11, 1), (11, 16), (12, 1)))
FREE = replace(graduated([("100", "0", None), (None, "2", None)]), resource="network_egress_mb")


def plan(*prices: ResourcePrice, version: int = 1, since: datetime = EPOCH, **more: object) -> PlanVersion:
    return PlanVersion("p", version, "P", since, prices, **more)  # type: ignore[arg-type]


def cost(found: list[Charge]) -> int:
    return sum(charge.line.amount for charge in found)


def test_the_compute_of_a_rental_is_paid_with_the_rental() -> None:
    """(443)"""
    month = [PlanPeriod(NOV, DEC, STANDARD_PLAN)]
    found = charges(month, {("gpu_seconds", "rental"): [7200], ("gpu_seconds", "other"): [3600]})
    assert [(charge.price.scope, charge.line.amount) for charge in found] == [("rental", 0), ("other", micros("1.2"))]


def test_the_free_gigabytes_are_free_once_whoever_used_them() -> None:
    """(443)"""
    month = [PlanPeriod(NOV, DEC, STANDARD_PLAN)]
    usage = {("network_egress_mb", "rental"): [80_000], ("network_egress_mb", "other"): [Decimal(30_000)]}
    found = charges(month, usage)
    assert [(charge.line.tier, charge.line.quantity) for charge in found] == [(1, 100_000), (2, 10_000)]
    assert cost(found) == micros("0.8")


def test_a_change_of_plan_gives_nothing_free_twice() -> None:
    """(443)"""
    split = plan(replace(FREE, scope="rental"), replace(FREE, scope="other"), version=2, since=MID)
    month = stretches((plan(FREE), split), NOV, DEC)
    usage = {("network_egress_mb", "rental"): [90, 20], ("network_egress_mb", "other"): [20, 0]}
    found = charges(month, usage)
    assert [(one.period.plan.version, one.line.tier, one.line.quantity, one.line.amount) for one in found] == [
        (1, 1, 100, 0),
        (1, 2, 10, micros(20)),
        (2, 1, 10, 0),
        (2, 2, 10, micros(20)),
    ]
    joined = charges(stretches((split, replace(plan(FREE, since=MID), version=3)), NOV, DEC), usage)
    assert cost(joined) == micros(40), "90 and 20 were within their own hundred; the 20 that follow are beyond"


def test_a_minimum_is_charged_once_and_only_when_the_month_is_over() -> None:
    """(443)"""
    committed = replace(FREE, minimum=micros(50))
    month = stretches((plan(committed), plan(committed, version=2, since=MID)), NOV, DEC)
    usage = {("network_egress_mb", "rental"): [110, 0]}
    assert cost(charges(month, usage)) == micros(50)
    assert cost(charges(month, usage, over=False)) == micros(20)
    idle = charges(month, {})
    assert [(one.line.kind, one.line.amount) for one in idle] == [(LineKind.MINIMUM_SPEND, micros(50))]


def test_what_a_plan_does_not_price_costs_nothing_and_has_a_line() -> None:
    (only,) = charges([PlanPeriod(NOV, DEC, plan())], {("cpu_seconds", "other"): [12]})
    assert (only.line.quantity, only.line.amount) == (12, 0)


def test_a_fee_is_shared_among_the_plans_of_a_month() -> None:
    """(443)"""
    month = stretches((plan(monthly_fee=micros(30)), plan(version=2, since=MID, monthly_fee=micros(60))), NOV, DEC)
    assert [fee.amount for fee in fees(month, NOV, DEC)] == [micros(15), micros(30)]
    assert fees([PlanPeriod(NOV, DEC, plan())], NOV, DEC) == []
    assert fees(month[:1], NOV, DEC) == [Fee(month[0], micros(15))]


def test_the_version_of_a_moment() -> None:
    first, second = plan(), plan(version=2, since=MID)
    assert in_force((first, second), MID) == second
    assert in_force((second,), NOV) is None
    assert in_force((first, second, plan(version=3, since=MID)), DEC) == plan(version=3, since=MID)
    assert [(one.since, one.until, one.plan.version) for one in stretches((second,), NOV, DEC)] == [(NOV, DEC, 2)]


def test_exactly_as_many_digits_as_there_are() -> None:
    price = ResourcePrice("gpu_seconds", FlatModel(Decimal("0.000000000001")))
    huge = Decimal("123456789012345678901234567890.000001")
    first, second = (PlanPeriod(NOV, MID, plan(price)), PlanPeriod(MID, DEC, plan(price, version=2)))
    found = charges([first, second], {("gpu_seconds", "other"): [huge, huge]})
    assert cost(found) == 246_913_578_024_691_357_802_469


@given(prices(), st.lists(st.tuples(quantities, quantities), min_size=1, max_size=4))
def test_versions_of_the_same_prices_cost_what_one_costs(
    price: ResourcePrice, used: list[tuple[Decimal, Decimal]]
) -> None:
    """(441, 443)"""
    priced = replace(price, resource="gpu_seconds")
    month = [PlanPeriod(NOV, DEC, plan(priced, version=number)) for number in range(1, len(used) + 1)]
    usage = {
        ("gpu_seconds", "rental"): [rental for rental, _ in used],
        ("gpu_seconds", "other"): [other for _, other in used],
    }
    whole = {key: [sum(parts, Decimal(0))] for key, parts in usage.items()}
    assert cost(charges(month, usage)) == cost(charges(month[:1], whole))
