"""When a threshold fires: by the newest reading of an instance, and by sums over a period. # 426, 473"""

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.usage.thresholds.resources import Period, Resource
from gpubroker.usage.thresholds.rules import Newest, added_up, looked, stale, sums_wanted
from gpubroker.usage.thresholds.threshold import Kind, Span
from tests.unit.usage.thresholds.making import NOW, a_reading, a_threshold


def through(readings, thresholds, newest=None):
    """(state, the values that were told, in their order)."""
    known, told = newest or Newest(), []
    for reading in readings:
        known, crossings = looked(known, reading, thresholds)
        told += [(crossing.threshold.threshold_id, float(crossing.value)) for crossing in crossings]
    return known, told


def values(*storage, start=0):
    return [a_reading(30 * (start + number), storage_gb=value) for number, value in enumerate(storage)]


def test_it_fires_over_the_threshold_and_once_until_the_value_has_been_below():
    _, told = through(values(480, 500, 501, 600, 501, 500, 499, 502), [a_threshold(500)])
    assert [value for _, value in told] == [501, 502]


def test_falling_to_exactly_the_threshold_arms_it_again():
    _, told = through(values(501, 500, 501), [a_threshold(500)])
    assert [value for _, value in told] == [501, 501]


def test_the_first_reading_is_told_when_it_is_over_already():
    _, told = through(values(700), [a_threshold(500)])
    assert len(told) == 1


def test_a_late_reading_never_fires_and_changes_nothing():
    known, _ = through(values(100, 100, 100), [a_threshold(500)])
    late = a_reading(45, storage_gb=900)
    after, crossings = looked(known, late, [a_threshold(500)])
    assert after is known
    assert crossings == []


def test_the_same_reading_again_changes_nothing():
    readings = values(100, 600)
    known, told = through([*readings, *readings, readings[1]], [a_threshold(500)])
    assert len(told) == 1
    assert known.at == readings[1].at


def test_however_a_single_crossing_is_repeated_or_reordered_it_is_told_at_most_once():
    readings = values(100, 600, 700, 800)
    for order in itertools.permutations(readings):
        _, told = through([*order, *order], [a_threshold(500)])
        assert len(told) == 1, order


def test_a_recurring_threshold_tells_every_step_between():
    threshold = a_threshold(100, every=Decimal(50))
    known, _ = through(values(90), [threshold])
    _, crossings = looked(known, a_reading(30, storage_gb=260), [threshold])
    assert [float(value) for value in crossings[0].crossed.values] == [100, 150, 200, 250]
    _, told = through(values(90, 101, 149, 151, 140, 152), [threshold])
    assert [value for _, value in told] == [101, 151, 152]


def test_a_threshold_that_is_new_or_changed_is_held_against_the_next_reading_as_from_below():
    known, _ = through(values(600), [])
    _, told = through(values(601, start=1), [a_threshold(500)], known)
    assert len(told) == 1
    known, _ = through(values(601, start=1), [a_threshold(500)], known)
    _, told = through(values(602, start=2), [a_threshold(500, revision=2)], known)
    assert len(told) == 1
    _, told = through(values(602, start=2), [a_threshold(500)], known)
    assert told == []


def test_a_paused_one_and_one_of_another_instance_say_nothing():
    others = [a_threshold(1, enabled=False), a_threshold(1, instance_id="another")]
    _, told = through(values(600), others)
    assert told == []


def test_a_metric_that_was_not_measured_leaves_what_is_known():
    threshold = a_threshold(500)
    known, _ = through(values(600), [threshold])
    known, crossings = looked(known, a_reading(30, memory_gb=4), [threshold])
    assert crossings == []
    known, crossings = looked(known, a_reading(60, storage_gb=610), [threshold])
    assert crossings == [], "it was over before, and nothing was heard in between"
    assert known.metrics == {"storage_gb": Decimal(610), "memory_gb": Decimal(4)}


def test_a_state_that_knows_more_than_the_list_says_that_the_list_is_old():
    known = Newest(NOW, {}, {"thr_01KSCN00000000000000000001": 3}, 1)
    assert stale(known, [])
    assert stale(known, [a_threshold(revision=2)])
    assert not stale(known, [a_threshold(revision=3)])
    assert not stale(known, [a_threshold(revision=4)])


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(0, 12), st.randoms(use_true_random=False))
def test_against_a_model_that_remembers_everything(amounts, level, dice: random.Random):
    """Redelivered and shuffled within what was seen: told as often as the newest value goes over."""
    readings = values(*amounts)
    delivered = [dice.choice(readings[: at + 1]) if dice.random() < 0.3 else one for at, one in enumerate(readings)]
    newest, over, expected = None, False, 0
    for reading in delivered:
        if newest is not None and reading.at <= newest:
            continue
        newest, was = reading.at, over
        over = reading.metrics["storage_gb"] > level
        expected += over and not was
    _, told = through(delivered, [a_threshold(level)])
    assert len(told) == expected


# ---------------------------------------------------------------- sums

EGRESS = a_threshold(1, resource=Resource.NETWORK_EGRESS, units="GB", period=Period.MONTH)
JULY = Span.of(Period.MONTH, NOW)


def told_of(totals, threshold=EGRESS):
    told, found = None, []
    for total in map(Decimal, totals):
        crossing = added_up(threshold, "user_123456", JULY, total, told, at=NOW)
        if crossing is not None:
            told = total
            found.append((float(total), [float(threshold.in_own_terms(value)) for value in crossing.crossed.values]))
    return found


def test_a_sum_is_told_once_in_its_period():
    assert told_of([900, 1000, 1001, 5000, 9000]) == [(1001, [1])]


def test_the_steps_of_a_sum_are_told_each():
    recurring = replace(EGRESS, every=Decimal("0.5"))
    assert told_of([900, 1600, 1600, 1999, 2001, 4100], recurring) == [
        (1600, [1, 1.5]),
        (2001, [2]),
        (4100, [2.5, 3, 3.5, 4]),
    ]


def test_a_sum_that_is_read_older_than_it_was_told_is_nothing():
    assert added_up(EGRESS, "user_123456", JULY, Decimal(1001), Decimal(2000), at=NOW) is None


def test_the_sums_that_readings_have_moved():
    hourly = replace(EGRESS, threshold_id="thr_2", period=Period.HOUR)
    readings = [
        a_reading(0, network_egress_mb=1),
        a_reading(3600, network_egress_mb=1),
        a_reading(7200, network_egress_mb=0),
        a_reading(7200, gpu_seconds=30),
    ]
    wanted = sums_wanted([EGRESS, hourly, a_threshold()], readings)
    assert {(name, span.start.hour) for name, span in wanted} == {
        ("thr_01KSCN00000000000000000001", 0),
        ("thr_2", 14),
        ("thr_2", 15),
    }
    assert wanted["thr_01KSCN00000000000000000001", JULY][1] == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        ("hour", "2026-07-15T14:59:59.999", "2026-07-15T14:00", "2026-07-15T15:00"),
        ("day", "2026-07-15T00:00:00", "2026-07-15T00:00", "2026-07-16T00:00"),
        ("month", "2026-02-28T23:59:59", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "2024-02-29T12:00:00", "2024-02-01T00:00", "2024-03-01T00:00"),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(period, moment, start, end):
    def at(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert Span.of(Period(period), at(moment)) == Span(Period(period), at(start), at(end))


def test_a_percentage_of_a_limit_is_held_against_the_metric_exactly():
    threshold = a_threshold(80, kind=Kind.PERCENTAGE, units="%", limit=Decimal("0.3"), limit_units="TB")
    _, told = through(values(240, 240.000001), [threshold])
    assert [value for _, value in told] == [240.000001]
    assert threshold.in_own_terms(Decimal(255)) == Decimal("85.000000")
