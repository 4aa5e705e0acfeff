"""Periods, prices to lines, states of invoices: the pure rules (441, 443, 445)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.invoices import invoice as rules
from gpubroker.billing.invoices.invoice import DUNNING, Invoice, InvoiceState, State
from gpubroker.billing.invoices.line import Kind
from gpubroker.billing.invoices.memory import BilledInstance, BilledMonth, pages, read_pages
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import UsageHour
from gpubroker.billing.invoices.pricing import Priced, priced, used
from gpubroker.billing.plans.plan import EPOCH, PlanPeriod, PlanVersion
from gpubroker.billing.plans.standard import STANDARD_PLAN
from gpubroker.billing.rating import FlatModel, PackageModel, ResourcePrice
from gpubroker.kernel.money import micros

OCTOBER = Period(2026, 10)
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
Told = tuple[str, int, str, float]
"""Instance, hour of the month, resource, quantity."""


def hours(told: Sequence[Told], revision: int = 1) -> list[UsageHour]:
    return [
        UsageHour(instance, OCTOBER.start + timedelta(hours=hour), {name: Decimal(str(value))}, revision, revision)
        for instance, hour, name, value in told
    ]


def price(
    told: Sequence[Told],
    *,
    plan: PlanVersion = STANDARD_PLAN,
    plans: Sequence[PlanPeriod] | None = None,
    after: Priced | None = None,
    now: datetime = NOW,
    revision: int = 1,
) -> Priced:
    plans = plans or [PlanPeriod(OCTOBER.start, OCTOBER.end, plan)]
    billed = BilledMonth(after.amounts if after else {}, [])
    return priced(
        OCTOBER,
        plans,
        used(hours(told, revision), OCTOBER, plans),
        billed=billed,
        before=after.instances if after else {},
        discounts=[],
        late=after is not None,
        now=now,
    )


def amounts(found: Priced) -> list[tuple[str, int]]:
    return [(line.source, line.amount) for line in found.lines]


# ------------------------------------------------------------------ periods


def test_a_month_begins_at_its_first_midnight_and_ends_at_the_next_ones() -> None:
    assert (OCTOBER.start, OCTOBER.end) == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert Period(2026, 12).next == Period(2027, 1)
    assert Period(2027, 1).previous == Period(2026, 12)
    assert Period.of(datetime.fromisoformat("2026-10-31T23:30:00-02:00")) == Period(2026, 11)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 11, 1)))
def test_every_moment_is_in_its_month_alone(moment: datetime) -> None:
    month = Period.of(moment.replace(tzinfo=UTC))
    assert month.start <= moment.replace(tzinfo=UTC) < month.end
    assert Period.parse(str(month)) == month
    assert month.next.previous == month


# ------------------------------------------------------------------ prices to lines


def test_the_difference_of_late_usage_goes_on_in_the_packages_that_were_begun() -> None:
    """Kill Bill (cb60779c, TestContiguousIntervalConsumableInArrear): 130 and 271 units are 5 blocks of 100, of which 1
    was invoiced: 4 more."""
    package = ResourcePrice("gpu_seconds", PackageModel(Decimal(100), micros(1)))
    plan = PlanVersion("p", 1, "P", EPOCH, (package,))
    first = price([("i-1", 0, "gpu_seconds", 100)], plan=plan)
    assert amounts(first) == [("i-1", micros(1))]
    second = price([("i-1", 0, "gpu_seconds", 130), ("i-1", 1, "gpu_seconds", 271)], plan=plan, after=first)
    assert amounts(second) == [("i-1", micros(4))]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["i-1", "i-2", "i-3"]),
            st.integers(0, 743),
            st.sampled_from(["gpu_seconds", "network_egress_mb", "storage_gb_hours"]),
            st.integers(1, 200_000).map(lambda n: n / 1000),
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda one: one[:3],
    ),
    st.integers(0, 12),
)
def test_however_usage_is_cut_into_invoices_they_add_up_to_the_whole(told: list[Told], cut: int) -> None:
    whole = price(told)
    first = price(told[:cut])
    second = price(told, after=first, revision=2)
    assert sum(line.amount for line in first.lines + second.lines) == sum(line.amount for line in whole.lines)
    third = price(told, after=replace_memory(first, second), revision=2)
    assert third.lines == [], "and nothing is billed again"


def replace_memory(first: Priced, second: Priced) -> Priced:
    """What a third invoice finds: what the first left, overwritten by the second."""
    return Priced(amounts=second.amounts, instances=first.instances | second.instances)


def test_what_one_price_comes_to_is_shared_by_usage_to_the_micro_dollar() -> None:
    flat = ResourcePrice("gpu_seconds", FlatModel(Decimal("0.000001")))
    plan = PlanVersion("p", 1, "P", EPOCH, (flat,))
    found = price([(f"i-{n}", 0, "gpu_seconds", 0.5) for n in range(5)], plan=plan)
    assert sum(amount for _, amount in amounts(found)) == 2, "2.5 micro-dollars, half to even"


def test_a_rentals_compute_has_no_line_and_its_egress_has() -> None:
    found = price([("ren_1.m1", 0, "gpu_seconds", 3600), ("ren_1.m1", 1, "network_egress_mb", 200_000)])
    assert [(line.resource, line.amount) for line in found.lines] == [("network_egress_mb", micros(8))]


def test_an_hour_counts_on_the_plan_that_held_at_its_start() -> None:
    dear = replace(STANDARD_PLAN, plan_id="dear", prices=(ResourcePrice("gpu_seconds", FlatModel(Decimal(1))),))
    middle = OCTOBER.start + timedelta(hours=10, minutes=30)
    plans = [PlanPeriod(OCTOBER.start, middle, STANDARD_PLAN), PlanPeriod(middle, OCTOBER.end, dear)]
    found = price([("i-1", 10, "gpu_seconds", 3600), ("i-1", 11, "gpu_seconds", 2)], plans=plans)
    assert [line.amount for line in found.lines] == [micros("1.2"), micros(2)]


def test_a_minimum_is_a_line_of_its_own_and_late_usage_lessens_it() -> None:
    committed = ResourcePrice("gpu_seconds", FlatModel(Decimal(1)), minimum=micros(100))
    plan = PlanVersion("p", 1, "P", EPOCH, (committed,))
    first = price([("i-1", 0, "gpu_seconds", 30)], plan=plan)
    assert [(line.kind, line.amount) for line in first.lines] == [
        (Kind.USAGE, micros(30)), (Kind.MINIMUM_SPEND, micros(70)),
    ]  # fmt: skip
    late = price([("i-1", 0, "gpu_seconds", 50)], plan=plan, after=first)
    assert [(line.kind, line.amount) for line in late.lines] == [
        (Kind.LATE_USAGE, micros(20)), (Kind.MINIMUM_SPEND, micros(-20)),
    ]  # fmt: skip
    early = price([("i-1", 0, "gpu_seconds", 30)], plan=plan, now=OCTOBER.start + timedelta(days=5))
    assert [line.kind for line in early.lines] == [Kind.USAGE], "a month that runs has no minimum yet"


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.builds(
            BilledInstance,
            st.dictionaries(st.integers(0, 743), st.tuples(st.integers(1, 9), st.integers(1, 99)), max_size=5),
            st.dictionaries(st.text(max_size=9), st.decimals(0, 10**9, places=6), max_size=3),
            st.dictionaries(st.text(max_size=9), st.integers(1, 10**4), max_size=3),
        ),
        max_size=8,
    )
)
def test_what_was_billed_is_read_as_it_was_kept(instances: dict[str, BilledInstance]) -> None:
    kept = list(pages(instances))
    assert read_pages(page for _, page in kept) == instances
    assert [first for first, _ in kept] == sorted(first for first, _ in kept)


# ------------------------------------------------------------------ states


def invoice(state: State = State.ISSUED, due: int = 1_200_000, **more: object) -> Invoice:
    made = Invoice(
        "inv_1", "usr_anna", "2026-10", "b", 1, due, 0, 0, due, 0, due, NOW, NOW, state, "2026-000001", NOW,
        NOW + rules.TERM,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_nothing_to_pay_is_paid() -> None:
    assert rules.collected(invoice(due=0), credits=0, balance=0, given_back=0, now=NOW).state is State.PAID


@given(st.integers(0, 2_000_000), st.integers(0, 2_000_000))
def test_it_is_paid_exactly_when_nothing_remains(by_credits: int, by_balance: int) -> None:
    after = rules.collected(invoice(), credits=by_credits, balance=by_balance, given_back=0, now=NOW)
    assert (after.state is State.PAID) is (by_credits + by_balance >= 1_200_000)
    assert after.remaining == 1_200_000 - by_credits - by_balance


def test_it_falls_due_at_its_date_and_not_before() -> None:
    one = invoice(State.OPEN)
    assert rules.fall_due(one, NOW + rules.TERM - timedelta(seconds=1)) is one
    assert rules.fall_due(one, NOW + rules.TERM).state is State.PAST_DUE
    paid = invoice(State.PAID)
    assert rules.fall_due(paid, NOW + timedelta(days=99)) is paid


def test_a_card_is_tried_ever_later_and_then_no_more() -> None:
    one, now, waits = invoice(State.OPEN), NOW, []
    for number in range(len(DUNNING) + 1):
        assert rules.may_charge(one, "pm_1", now)
        one = rules.charge(one, f"pay_{number}", "pm_1", now)
        one = rules.card_failed(one, f"pay_{number}", now)
        waits.append(one.card_at)
        now = one.card_at or now + timedelta(days=365)
    assert [later - earlier for earlier, later in pairwise([NOW, *waits[:-1]])] == list(DUNNING)  # type: ignore[operator]
    assert waits[-1] is None
    assert not rules.may_charge(one, "pm_1", now)
    assert rules.may_charge(one, "pm_2", now), "another card may be asked"


def test_the_end_of_an_old_payment_changes_nothing() -> None:
    one = rules.charge(invoice(State.OPEN), "pay_2", "pm_1", NOW)
    assert rules.card_failed(one, "pay_1", NOW) is one


def test_what_is_paid_beyond_what_remains_goes_back() -> None:
    one = rules.charge(invoice(State.OPEN), "pay_1", "pm_1", NOW)
    credited, back = rules.credit(one, "crn_1", 200_000, NOW)
    assert back == 0
    paid = rules.card_paid(credited, "pay_1", 1_200_000, NOW)
    assert (paid.state, paid.overpaid, paid.remaining) == (State.PAID, 200_000, 0)
    void = rules.card_paid(invoice(State.VOID), "pay_1", 1_200_000, NOW)
    assert (void.state, void.overpaid) == (State.VOID, 1_200_000)


@pytest.mark.parametrize("state", [State.DRAFT, State.VOID])
def test_a_draft_and_a_void_invoice_take_no_credit_note(state: State) -> None:
    with pytest.raises(InvoiceState):
        rules.credit(invoice(state), "crn_1", 1, NOW)


@pytest.mark.parametrize("state", [State.DRAFT, State.ISSUED, State.PAID])
def test_only_what_is_unpaid_is_given_up(state: State) -> None:
    with pytest.raises(InvoiceState):
        rules.void(invoice(state), NOW)
    with pytest.raises(InvoiceState):
        rules.void(invoice(State.OPEN, by_balance=1), NOW)
