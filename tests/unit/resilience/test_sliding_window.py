"""The moving window against an oracle that keeps every permit."""

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.sliding_window import MICROSECONDS, SlidingWindow

STEPS = st.sampled_from([0, 0, 1, 250_000, 500_000, 999_999]) | st.integers(0, 400_000)


class EveryPermit:
    """The definition, without a thought for speed: at most `limit` permits in the window that ends now."""

    def __init__(self, limit: int, window_us: int) -> None:
        self.limit, self.window, self.taken = limit, window_us, list[int]()

    def take(self, at: int) -> bool:
        allowed = sum(at - taken < self.window for taken in self.taken) < self.limit
        if allowed:
            self.taken.append(at)
        return allowed


def hits(text: str) -> float:
    hours, minutes, seconds = map(int, text.split(":"))
    return hours * 3600.0 + minutes * 60 + seconds


def test_the_nth_oldest_hit_must_have_left_the_window():
    # alisaifee/limits f7d1eef, doc/source/strategies.rst, "Moving Window": 10 a minute
    window = SlidingWindow(10, window_s=60)
    log = [("00:00:10", 1), ("00:00:20", 2), ("00:00:30", 4), ("00:00:50", 3), ("00:01:11", 1), ("00:01:12", 1)]
    outcome = [all(window.take(hits(at)).allowed for _ in range(count)) for at, count in log]
    assert outcome == [True, True, True, True, True, False]


@given(
    limit=st.integers(1, 5),
    steps=st.lists(STEPS, max_size=120),
)
def test_with_the_finest_grain_every_decision_is_the_definitions(limit, steps):
    # R4.3 (200): a sliding window
    window, oracle = SlidingWindow(limit), EveryPermit(limit, MICROSECONDS)
    at = 0
    for step in steps:
        at += step
        assert window.take(at / MICROSECONDS).allowed == oracle.take(at)


@given(
    limit=st.integers(1, 50),
    grain=st.sampled_from([1, 1_000, 10_000, 100_000]),
    steps=st.lists(st.integers(0, 120_000), max_size=200),
)
def test_no_second_holds_more_than_the_limit_and_a_refused_caller_is_told_when_to_come_back(limit, grain, steps):
    window = SlidingWindow(limit, grain_us=grain)
    at, allowed = 0, list[int]()
    for step in steps:
        at += step
        taken = window.take(at / MICROSECONDS)
        if taken.allowed:
            allowed.append(at)
            assert taken.retry_after_s == 0
            assert 0 <= taken.remaining < limit
        else:
            at += round(taken.retry_after_s * MICROSECONDS)
            assert 0 < taken.retry_after_s <= 1 + grain / MICROSECONDS
            assert window.take(at / MICROSECONDS).allowed
            allowed.append(at)
    for index, first in enumerate(allowed):
        assert sum(moment - first < MICROSECONDS for moment in allowed[index:]) <= limit


def test_a_coarse_grain_bounds_the_memory_and_never_refuses_a_caller_who_keeps_a_grain_away():
    window = SlidingWindow(1000, grain_us=10_000)
    for step in range(30_000):
        assert window.take(step / 990).allowed  # 1000 in every 1.01 s
        assert len(window._slots) <= 102


def test_a_clock_that_steps_back_frees_nothing():
    window = SlidingWindow(2)
    assert window.take(100.0).allowed
    assert window.take(50.0).allowed
    assert not window.take(99.0).allowed
    assert window.take(101.0).allowed
