"""Full jitter and XFetch, with the numbers of their sources."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.backoff import Backoff, retrying
from gpubroker.resilience.early_expiry import due


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise TimeoutError(f"call {self.calls}")
        return "done"


def test_the_ceilings_double_up_to_the_cap():
    # Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015
    backoff = Backoff(base_s=1, cap_s=20)
    assert [backoff.ceiling(attempt) for attempt in range(7)] == [1, 2, 4, 8, 16, 20, 20]
    assert backoff.ceiling(100_000) == 20


@given(attempt=st.integers(0, 50), seed=st.integers())
def test_a_wait_is_anything_from_nothing_to_the_ceiling(attempt, seed):
    backoff = Backoff(base_s=0.1, cap_s=10)
    assert 0 <= backoff.wait(attempt, random.Random(seed).uniform) <= backoff.ceiling(attempt)


def test_waits_are_spread_evenly_under_the_ceiling():
    uniform = random.Random(7).uniform
    waits = sorted(Backoff(base_s=1, cap_s=1).wait(0, uniform) for _ in range(4000))
    assert [waits[index] for index in (400, 2000, 3600)] == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_call_is_tried_again_with_growing_waits():
    waits, flaky = list[float](), Flaky(2)
    backoff = Backoff(base_s=1, cap_s=10, tries=4)
    assert retrying(flaky, on=TimeoutError, backoff=backoff, sleep=waits.append, uniform=max) == "done"
    assert waits == [1, 2]


def test_the_last_failure_is_the_callers():
    flaky = Flaky(9)
    with pytest.raises(TimeoutError, match="call 3"):
        retrying(flaky, on=TimeoutError, backoff=Backoff(tries=3), sleep=lambda _: None)


def test_another_error_is_not_tried_again():
    flaky = Flaky(9)
    with pytest.raises(TimeoutError, match="call 1"):
        retrying(flaky, on=ValueError, backoff=Backoff(tries=3), sleep=lambda _: None)


# Vattani, Chierichetti, Lowenstein, PVLDB 8(8), 2015: P(early, t seconds left) = exp(-t / (beta * delta))
@pytest.mark.parametrize(
    ("delta", "beta", "left", "probability"),
    [
        (0.4, 1, 10, 0.0),
        (0.4, 1, 2, 0.006737947),
        (0.4, 1, 0.4, 0.3678794412),
        (0.4, 1, 0.1, 0.7788007831),
        (2, 1, 5, 0.0820849986),
        (2, 2, 5, 0.2865047969),
        (0.4, 1, 0, 1.0),
    ],
)
def test_how_likely_an_early_refresh_is(delta, beta, left, probability):
    # R2.5 (189)
    drawn = random.Random(11)
    share = sum(due(100 - left, 100, delta, beta=beta, u=1 - drawn.random()) for _ in range(20_000)) / 20_000
    assert share == pytest.approx(probability, abs=0.012)


@pytest.mark.parametrize(("u", "early"), [(0.1, False), (0.082, True), (0.05, True)])
def test_the_draw_decides(u, early):
    assert due(0, 5, 2, u=u) is early


def test_after_its_expiry_a_value_is_always_due_and_a_draw_of_zero_cannot_happen(monkeypatch):
    monkeypatch.setattr(random, "random", lambda: 0.0)
    assert due(5, 5, 2)
    assert not due(0, 5, 2)
    monkeypatch.setattr(random, "random", lambda: math.nextafter(1.0, 0.0))
    assert due(0, 5, 2)
