"""The breaker's rules, with the numbers of the seed and the vectors of resilience4j."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.breaker import (
    PROVIDERS,
    Breaker,
    BreakerSettings,
    Permit,
    Phase,
    admit,
    failure_rate,
    of_map,
    phase_at,
    record,
    release,
    to_map,
)

NOW = 1_779_616_800.0


def after(outcomes: str, breaker: Breaker = Breaker(), now: float = NOW) -> Breaker:  # noqa: B008
    """The breaker after these outcomes, S or E, one call after another."""
    for outcome in outcomes:
        breaker, permit = admit(breaker, now)
        assert permit is not None
        breaker = record(breaker, permit, outcome == "S", now)
    return breaker


OPENED = after("EEEEEESSSS")


def test_six_failures_of_ten_open_it_and_five_do_not():
    # R3.2 (192): "exceeds 50 %" is strict
    assert after("SSSSSEEEEE").phase is Phase.CLOSED
    assert after("SSSSEEEEEE").phase is Phase.OPEN


def test_it_does_not_judge_before_there_were_ten_calls():
    # R3.2 (192): over 10 requests
    assert after("E" * 9).phase is Phase.CLOSED
    assert after("E" * 10).phase is Phase.OPEN


def test_only_the_last_ten_calls_count():
    assert after("E" * 5 + "S" * 5 + "E" * 4).phase is Phase.CLOSED
    assert after("S" * 100 + "E" * 5).phase is Phase.CLOSED
    assert after("S" * 100 + "E" * 6).phase is Phase.OPEN


def test_the_rate_is_that_of_the_ring():
    # resilience4j af9e7c97, CircuitBreakerMetricsTest.testCircuitBreakerMetrics, in shares of one
    outcomes = "SSEEEEEESSSS".replace("S", "1").replace("E", "0")
    assert failure_rate(outcomes[:4]) == -1  # below the minimum of calls
    assert failure_rate(outcomes[-10:]) == 0.6
    assert failure_rate((outcomes + "111")[-10:]) == 0.3


def test_while_open_nothing_is_let_through_for_thirty_seconds():
    # R3.3 (193), R3.4 (194)
    assert OPENED.phase is Phase.OPEN
    assert admit(OPENED, NOW).permit is None
    assert admit(OPENED, NOW + 29.999).permit is None
    assert admit(OPENED, NOW + 30).permit is not None


def test_half_open_lets_one_trial_through():
    # (197) trial calls are limited
    trial, permit = admit(OPENED, NOW + 30)
    assert (trial.phase, permit is not None) == (Phase.HALF_OPEN, True)
    assert admit(trial, NOW + 30).permit is None
    assert admit(trial, NOW + 59).permit is None


def test_one_success_in_half_open_closes_it_with_an_empty_ring():
    # R3.5 (195)
    trial, permit = admit(OPENED, NOW + 30)
    assert permit is not None
    closed = record(trial, permit, True, NOW + 31)
    assert (closed.phase, closed.outcomes) == (Phase.CLOSED, "")
    assert after("E" * 9, closed).phase is Phase.CLOSED


def test_a_failure_in_half_open_opens_it_for_another_thirty_seconds():
    # (197)
    trial, permit = admit(OPENED, NOW + 30)
    assert permit is not None
    opened = record(trial, permit, False, NOW + 35)
    assert (opened.phase, opened.opened) == (Phase.OPEN, 2)
    assert admit(opened, NOW + 64.9).permit is None
    assert admit(opened, NOW + 65).permit is not None


def test_half_open_admits_exactly_the_permitted_calls():
    # resilience4j af9e7c97, CircuitBreakerStateMachineTest.shouldOnlyPermitFourCallsInHalfOpenState
    four = BreakerSettings(trials=4)
    for start in (NOW + 30, NOW + 90):  # leaving and entering half open again restores them
        breaker, granted = replace(OPENED, until=start), []
        for _ in range(6):
            breaker, permit = admit(breaker, start, four)
            granted.append(permit is not None)
        assert granted == [True, True, True, True, False, False]


def test_a_permit_that_was_not_used_can_be_used_by_another():
    # resilience4j's releasePermission
    trial, permit = admit(OPENED, NOW + 30)
    assert permit is not None
    given_back = release(trial, permit)
    assert admit(given_back, NOW + 30).permit is not None
    assert release(given_back, Permit(0)) is given_back
    assert release(Breaker(), Permit(0)) == Breaker()


def test_a_trial_that_never_reports_makes_room_for_another():
    trial, lost = admit(OPENED, NOW + 30)
    second, permit = admit(trial, NOW + 60)
    assert lost is not None
    assert permit is not None
    assert record(second, lost, True, NOW + 61) is second, "and what it says later is too late"
    assert record(second, permit, True, NOW + 61).phase is Phase.CLOSED


def test_a_result_from_before_the_last_change_changes_nothing():
    _, early = admit(Breaker(), NOW)
    assert early is not None
    assert record(OPENED, early, True, NOW + 1) is OPENED
    trial, _ = admit(OPENED, NOW + 30)
    assert record(trial, early, False, NOW + 31) is trial


def test_a_success_on_a_ring_of_successes_is_nothing_to_store():
    healthy = after("S" * 10)
    assert record(healthy, Permit(healthy.generation), True, NOW) is healthy


def test_what_is_shown_is_half_open_when_the_pause_is_over():
    assert [phase_at(OPENED, NOW + seconds) for seconds in (0, 29.9, 30)] == [Phase.OPEN, Phase.OPEN, Phase.HALF_OPEN]


def test_the_numbers_are_those_of_the_seed():
    # (192, 194)
    assert BreakerSettings(window=10, minimum_calls=10, threshold=0.5, open_s=30.0, trials=1) == PROVIDERS


def test_a_missing_map_is_a_new_breaker():
    assert of_map(None) == of_map({}) == Breaker()


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "succeed", "fail", "release", "late"]), st.floats(0, 40)), max_size=80
    ),
    threshold=st.sampled_from([0.0, 0.5, 0.9]),
    trials=st.integers(1, 3),
)
def test_whatever_happens_it_keeps_its_promises(steps, threshold, trials):
    settings = BreakerSettings(threshold=threshold, trials=trials)
    breaker, now, out = Breaker(), NOW, list[Permit]()
    for step, seconds in steps:
        now += seconds
        before = breaker
        if step == "ask":
            breaker, permit = admit(breaker, now, settings)
            if permit is not None:
                out.append(permit)
            if before.phase is Phase.OPEN:
                assert (permit is not None) == (now >= before.until)
        elif step == "release" and out:
            breaker = release(breaker, out.pop())
        elif out:
            breaker = record(breaker, out.pop(0 if step == "late" else -1), step == "succeed", now, settings)
        assert len(breaker.outcomes) <= settings.window
        assert 0 <= breaker.trials <= settings.trials
        assert breaker.generation >= before.generation
        assert (breaker.phase is before.phase) or breaker.generation > before.generation
        if breaker.phase is Phase.CLOSED:
            assert failure_rate(breaker.outcomes, settings) <= threshold
        again = of_map(to_map(breaker))
        assert replace(again, until=breaker.until) == breaker
        assert again.until == pytest.approx(breaker.until, abs=0.001)
