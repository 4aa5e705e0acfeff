"""Smooth weighted round robin, and how a weight follows what a provider does."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.balancer import FLOOR, Turn, weight_after


def turns(weights, number, unhealthy=()):
    turn = Turn()
    return [turn.next(weights, unhealthy) for _ in range(number)]


def test_the_example_of_nginx():
    # R5.1 (205)
    assert turns({"a": 5, "b": 1, "c": 1}, 7) == ["a", "a", "b", "a", "c", "a", "a"]


def test_equal_weights_take_turns():
    assert turns({"a": 1, "b": 1, "c": 1}, 6) == ["a", "b", "c", "a", "b", "c"]


def test_who_is_unhealthy_is_passed_over_and_not_paid_for_it_later():
    turn = Turn()
    assert [turn.next({"a": 1, "b": 1}, {"b"}) for _ in range(5)] == ["a"] * 5
    assert [turn.next({"a": 1, "b": 1}) for _ in range(4)] in (["a", "b", "a", "b"], ["b", "a", "b", "a"])


def test_with_nobody_healthy_it_is_nobodys_turn():
    assert turns({"a": 1}, 1, {"a"}) == [None]
    assert turns({}, 1) == [None]
    assert turns({"a": 0}, 1) == [None]


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 20), min_size=1, max_size=6))
def test_over_one_cycle_everybody_is_served_as_often_as_his_weight_says(weights):
    assert Counter(turns(weights, sum(weights.values()))) == weights


@given(
    weights=st.dictionaries(st.integers(0, 40), st.sampled_from([0.1, 0.125, 0.25, 0.5, 1.0]), max_size=40),
    sick=st.sets(st.integers(0, 40)),
)
def test_a_round_serves_everybody_once_and_the_unhealthy_last(weights, sick):
    order = list(Turn().round(weights, sick))
    assert sorted(order) == sorted(weights)
    healthy = [name for name in order if name not in sick]
    assert order[: len(healthy)] == healthy


def test_each_round_begins_with_whose_turn_it_is():
    turn = Turn()
    rounds = [list(turn.round({"a": 1, "b": 1, "c": 1})) for _ in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    weighted = Turn()
    assert [next(iter(weighted.round({"a": 5, "b": 1, "c": 1}))) for _ in range(7)] == list("aabacaa")


def test_the_heavier_come_earlier_in_a_round():
    assert next(iter(Turn().round({"slow": 0.25, "quick": 1.0}))) == "quick"


def test_a_slow_response_halves_and_recovery_doubles_within_floor_and_cap():
    # R5.2 (206), DESIGN §4
    weight = 1.0
    seen = []
    for _ in range(5):
        weight = weight_after(weight, 2.1, answered=True)
        seen.append(weight)
    assert seen == [0.5, 0.25, 0.125, FLOOR, FLOOR]
    seen = []
    for _ in range(5):
        weight = weight_after(weight, 0.3, answered=True)
        seen.append(weight)
    assert seen == [0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("seconds", "answered", "after"), [(2.0, True, 1.0), (5.0, False, 0.25), (0.1, False, 0.5)])
def test_two_seconds_are_not_slow_a_timeout_is_and_a_quick_failure_says_nothing(seconds, answered, after):
    assert weight_after(0.5, seconds, answered=answered) == after
