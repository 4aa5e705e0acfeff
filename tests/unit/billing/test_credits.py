"""Credits burn down in a fixed order and to the same balance however time is cut (442)."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.billing.credits.burning import Burnt, burn
from gpubroker.billing.credits.engine import NoBalance, Snapshot, UnknownGrant, Use, opening, run
from gpubroker.billing.credits.grant import Every, Grant, Recurrence

T1 = datetime(2024, 1, 1, tzinfo=UTC)
BASE = datetime(2026, 1, 1, tzinfo=UTC)


def after(at: datetime = T1, **parts: float) -> datetime:
    return at + timedelta(**parts)


def grant(name: str = "g", amount: int = 100, *, effective_at: datetime = T1, **terms: object) -> Grant:
    return Grant(name, amount, effective_at, created_at=terms.pop("created_at", T1), **terms)  # type: ignore[arg-type]


def test_the_order_of_burning() -> None:
    """openmeterio/openmeter@7e57a394 openmeter/credit/engine/grant_test.go TestPrioritizeGrants (442)"""

    def one(name: str, priority: int, created: float, effective: float, *, lasts: float | None) -> Grant:
        starts = after(BASE, seconds=effective)
        return Grant(
            name,
            100,
            starts,
            after(BASE, hours=created),
            priority,
            None if lasts is None else after(starts, hours=lasts),
        )

    grants = [
        one("no-expiration", 1, -4, 0, lasts=None),
        one("lower-priority", 2, -4, -3600, lasts=1),
        one("created-first", 1, -2, 0.9, lasts=1),
        one("cursor-b", 1, -1, 0.5, lasts=1),
        one("cursor-a", 1, -1, 0.1, lasts=1),
        one("later-expiration", 1, -3, 3600, lasts=1),
    ]
    random.Random(1).shuffle(grants)
    assert [each.grant_id for each in sorted(grants, key=lambda each: each.order)] == [
        "created-first",
        "cursor-a",
        "cursor-b",
        "later-expiration",
        "no-expiration",
        "lower-priority",
    ]


def test_a_grant_that_is_voided_pays_what_came_before() -> None:
    """openmeter/credit/engine/run_test.go `Burns down grant until it's voided / deleted` (442)"""
    grants = [grant(voided_at=after(hours=1))]
    uses = [Use(after(minutes=59), 50), Use(after(minutes=61), 50)]
    ran = run(grants, uses, start=opening(grants, T1), until=after(hours=2))
    assert (ran.end.balance, ran.end.owed) == (0, 50)
    assert [(segment.balance_at_start, segment.usage) for segment in ran.segments] == [(100, 50), (0, 50)]


def test_a_recurring_grant_starts_anew_and_pays_what_was_owed() -> None:
    """openmeter/credit/engine/run_test.go `Burns down recurring grant` (442)"""
    grants = [grant(recurrence=Recurrence("day", T1))]
    ran = run(grants, [Use(after(hours=1), 120)], start=opening(grants, T1), until=after(days=1, hours=1))
    assert ran.end.balance == 80


def test_wallets_pay_by_priority_and_then_the_older() -> None:
    """getlago/lago-api@1b1c24a6 spec/services/credits/applied_prepaid_credits_service_spec.rb (442)"""
    names = [
        ("normal", 50, ()),
        ("priority", 49, ()),
        ("limited_charge", 50, ("charge",)),
        ("priority_limited_charge", 49, ("charge",)),
        ("limited_subscription", 50, ("subscription",)),
        ("priority_limited_subscription", 49, ("subscription",)),
    ]
    wallets = [
        Grant(name, 1000, T1, after(seconds=place), priority, resources=only)
        for place, (name, priority, only) in enumerate(names)
    ]
    balances = {wallet.grant_id: wallet.amount for wallet in wallets}
    assert burn(wallets, balances, {"charge": 100}) == ([Burnt("priority", "charge", 100)], {"charge": 0})
    burnt, _ = burn(wallets, balances, {"charge": 1500})
    assert burnt == [Burnt("priority", "charge", 1000), Burnt("priority_limited_charge", "charge", 500)]


def test_what_no_grant_pays_is_left() -> None:
    only = grant(resources=("network_egress_mb",))
    burnt, left = burn([only], {"g": 100}, {"gpu_seconds": 40, "network_egress_mb": 130, "cpu_seconds": -3})
    assert burnt == [Burnt("g", "network_egress_mb", 100)]
    assert left == {"gpu_seconds": 40, "network_egress_mb": 30, "cpu_seconds": -3}


def test_what_is_left_at_expiry_is_forfeited() -> None:
    grants = [grant(expires_at=after(hours=1))]
    uses = [Use(after(minutes=59), 30), Use(after(hours=1), 30)]
    ran = run(grants, uses, start=opening(grants, T1), until=after(hours=3))
    assert (ran.end.balances, ran.end.owed) == ({}, 30), "the moment of expiry is outside"


def test_a_snapshot_of_other_grants_is_an_error() -> None:
    """openmeter/credit/engine/engine_test.go (442)"""
    with pytest.raises(UnknownGrant):
        run([grant()], [], start=Snapshot(T1, {"g": 1, "nobody": 1}, {}), until=after(hours=1))
    with pytest.raises(NoBalance):
        run([grant()], [], start=Snapshot(T1, {}, {}), until=after(hours=1))


def test_months_recur_on_the_same_day_or_the_last_of_a_shorter_month() -> None:
    monthly = Recurrence("month", datetime(2024, 1, 31, 6, tzinfo=UTC))
    found = list(monthly.between(datetime(2024, 1, 31, 6, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)))
    assert [(one.month, one.day) for one in found] == [(2, 29), (3, 31), (4, 30)]
    assert monthly.since(datetime(2024, 3, 31, 5, 59, tzinfo=UTC)) == found[0]
    assert monthly.since(datetime(2023, 12, 31, 7, tzinfo=UTC)) == datetime(2023, 12, 31, 6, tzinfo=UTC)


@given(
    st.sampled_from(["day", "week", "month"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=200)),
)
def test_resets_follow_each_other_without_a_gap(
    every: Every, anchor: datetime, since: datetime, span: timedelta
) -> None:
    recurrence = Recurrence(every, anchor)
    resets = list(recurrence.between(since, since + span))
    assert resets == sorted(set(resets))
    assert all(since < one < since + span and recurrence.since(one) == one for one in resets)
    if not resets:
        assert span <= timedelta(days=31)


# ------------------------------------------------------------------ cutting time

minutes = st.integers(0, 45 * 24 * 60)
resource_sets = st.sampled_from([(), (), ("a",), ("a", "b")])


@st.composite
def grants_of_a_month(draw: st.DrawFn) -> list[Grant]:
    found = []
    for place in range(draw(st.integers(1, 8))):
        effective = after(minutes=draw(minutes))
        lasts, stays = draw(st.none() | minutes), draw(st.none() | minutes)
        expires = None if lasts is None else effective + timedelta(minutes=lasts + 1)
        voided = None if stays is None else effective + timedelta(minutes=stays)
        recurrence = draw(
            st.none() | st.builds(Recurrence, st.sampled_from(["day", "week", "month"]), st.just(effective))
        )
        found.append(
            Grant(
                f"g{place}",
                draw(st.integers(10_000, 1_000_000)),
                effective,
                T1,
                draw(st.integers(0, 255)),
                expires,
                voided,
                recurrence,
                draw(resource_sets),
            )
        )
    return found


uses_of_a_month = st.lists(
    st.builds(Use, minutes.map(lambda m: after(minutes=m)), st.integers(0, 500_000), st.sampled_from(["a", "b", ""])),
    max_size=60,
)


@given(grants_of_a_month(), uses_of_a_month, st.lists(minutes, max_size=6))
def test_cutting_the_time_anywhere_gives_the_same_balances(
    grants: list[Grant], uses: Sequence[Use], cuts: list[int]
) -> None:
    """openmeter/credit/engine/engine_test.go Test_Fuzzing (442)"""
    end = after(days=46)
    whole = run(grants, uses, start=opening(grants, T1), until=end).end
    assert run(grants, uses, start=opening(grants, T1), until=end).end == whole
    snapshot = opening(grants, T1)
    for cut in sorted(cuts):
        snapshot = run(grants, uses, start=snapshot, until=after(minutes=cut)).end
    assert run(grants, uses, start=snapshot, until=end).end == whole
    assert all(balance >= 0 for balance in whole.balances.values())


@given(grants_of_a_month(), uses_of_a_month)
def test_all_that_is_used_is_paid_or_owed(grants: list[Grant], uses: Sequence[Use]) -> None:
    """Without resets and endings nothing is made or lost (442)"""
    lasting = [Grant(one.grant_id, one.amount, T1, T1, one.priority, resources=one.resources) for one in grants]
    end = run(lasting, uses, start=opening(lasting, T1), until=after(days=46)).end
    assert sum(one.amount for one in lasting) - end.balance + end.owed == sum(use.amount for use in uses)
