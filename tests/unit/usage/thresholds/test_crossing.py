"""Which thresholds are crossed between two looks. # 426, 473; DESIGN §4: over (>), once per crossing

The cases are Lago's own (getlago/lago-api 1b1c24a6, spec/models/usage_monitoring/alert_spec.rb,
"#find_thresholds_crossed"), written anew. Lago crosses when a threshold is reached (>=): rule REACHED. Ours crosses
when the value is over it: where the two differ, the value is exactly a threshold.
"""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.usage.thresholds.crossing import MOST_LISTED, Rule, crossed

RISING = {"one_time": [10, 30, 50], "recurring": 100}
ONLY_RECURRING = {"one_time": [], "recurring": 100}
FALLING = {"one_time": [200, 500, 800], "recurring": 100, "falling": True}


def of(previous, current, *, one_time, recurring=None, **how):
    step = None if recurring is None else Decimal(recurring)
    before = None if previous is None else Decimal(str(previous))
    found = crossed(before, Decimal(str(current)), [Decimal(str(value)) for value in one_time], step, **how)
    assert found.count >= len(found.values)
    return [float(value) for value in found.values]


@pytest.mark.parametrize(
    ("thresholds", "previous", "current", "expected"),
    [
        (RISING, 8, 8, []),
        (RISING, 8, 30, [10, 30]),
        (RISING, 31, 60, [50]),
        (RISING, 30, 29, []),
        (RISING, 33, 351, [50, 150, 250, 350]),
        (ONLY_RECURRING, 0, 150, [100]),
        (FALLING, 1000, 1000, []),
        (FALLING, 1000, 500, [500, 800]),
        (FALLING, 450, 100, [100, 200]),
        (FALLING, 400, 450, []),
        (FALLING, 700, 600, []),
        (FALLING, 600, -100, [-100, 0, 100, 200, 500]),
    ],
)
def test_lagos_cases_under_lagos_rule(thresholds, previous, current, expected):
    assert of(previous, current, rule=Rule.REACHED, **thresholds) == expected


@pytest.mark.parametrize(
    ("thresholds", "previous", "current", "expected"),
    [
        (RISING, 8, 8, []),
        (RISING, 8, 30, [10]),  # 30 is met, not passed
        (RISING, 30, 31, [30]),  # and told by the next that is over it
        (RISING, 31, 60, [50]),
        (RISING, 30, 29, []),
        (RISING, 33, 351, [50, 150, 250, 350]),
        (RISING, 33, 350, [50, 150, 250]),
        (ONLY_RECURRING, 0, 150, [100]),
        (ONLY_RECURRING, 100, 200, [100]),
        (FALLING, 1000, 500, [800]),
        (FALLING, 450, 100, [200]),
        (FALLING, 600, -100, [0, 100, 200, 500]),
    ],
)
def test_the_same_under_ours(thresholds, previous, current, expected):
    assert of(previous, current, **thresholds) == expected


@pytest.mark.parametrize(("rule", "expected"), [(Rule.OVER, []), (Rule.REACHED, [500])])
def test_exactly_the_threshold_is_where_the_rules_differ(rule, expected):
    assert of(499, 500, one_time=[500], rule=rule) == expected
    assert of(499, 500.000001, one_time=[500], rule=rule) == [500]


def test_a_value_that_was_never_looked_at_came_from_below():
    assert of(None, 600, one_time=[500]) == [500]
    assert of(None, 400, one_time=[500]) == []
    assert of(None, 0, one_time=[0]) == []
    assert of(None, 0.5, one_time=[0]) == [0]


def test_a_leap_over_very_many_steps_is_counted_whole_and_listed_by_the_last():
    found = crossed(Decimal(0), Decimal(1_000_000), [Decimal(1)], Decimal("0.001"))
    assert found.count == 1 + 999_998_999
    assert len(found.values) == MOST_LISTED
    assert found.values[-1] == Decimal("999999.999")
    assert list(found.values) == sorted(found.values)


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_is_over_zero(step):
    with pytest.raises(ValueError, match="over 0"):
        crossed(None, Decimal(1), [], Decimal(step))


AMOUNTS = st.decimals(min_value=-1000, max_value=1000, places=3, allow_nan=False)
STEPS = st.decimals(min_value="0.5", max_value=500, places=2)
THRESHOLDS = st.lists(AMOUNTS, max_size=4)


@given(st.lists(AMOUNTS, min_size=2, max_size=8), THRESHOLDS, st.none() | STEPS, st.sampled_from(Rule), st.booleans())
def test_a_way_up_crosses_the_same_however_it_is_cut(values, one_time, step, rule, falling):
    """Looking more often on one way up (or down) changes nothing of what is told altogether."""
    way = sorted(values, reverse=falling)
    pieces = [crossed(a, b, one_time, step, rule=rule, falling=falling) for a, b in itertools.pairwise(way)]
    whole = crossed(way[0], way[-1], one_time, step, rule=rule, falling=falling)
    assert sum(piece.count for piece in pieces) == whole.count
    if whole.count <= MOST_LISTED:
        assert sorted(value for piece in pieces for value in piece.values) == list(whole.values)


@given(AMOUNTS, AMOUNTS, THRESHOLDS, st.sampled_from(Rule))
def test_only_a_rise_crosses_and_only_what_lies_between(previous, current, one_time, rule):
    found = crossed(previous, current, one_time, rule=rule).values
    assert all(previous <= value <= current for value in found)
    if current <= previous:
        assert not found
    over = {value for value in one_time if value < current and value > previous}
    assert over <= set(found), "what lies strictly between is crossed under either rule"
