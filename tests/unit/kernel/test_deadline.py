"""How long an invocation may take is said once, and everything that waits asks."""

import asyncio
import contextvars
import math
import threading

import pytest

from gpubroker.kernel import deadline
from gpubroker.kernel.deadline import OutOfTime
from gpubroker.resilience.backoff import Backoff, retrying


class Context:
    def __init__(self, ms):
        self.ms = ms

    def get_remaining_time_in_millis(self):
        return self.ms


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    return now


def test_without_a_deadline_nothing_is_bounded():
    assert deadline.left() == math.inf
    assert deadline.at_most(20.0) == 20.0
    deadline.need(1e9, "anything")


def test_what_is_left_shrinks_and_bounds(clock):
    token = deadline.begin(5.0)
    clock[0] += 3
    assert deadline.left() == 2.0
    assert (deadline.at_most(20.0), deadline.at_most(1.0)) == (2.0, 1.0)
    deadline.need(2.0, "a call")
    with pytest.raises(OutOfTime, match="a call"):
        deadline.need(2.1, "a call")
    clock[0] += 10
    assert deadline.left() == 0.0
    deadline.end(token)
    assert deadline.left() == math.inf


def test_a_deadline_inside_another_is_never_later(clock):
    outer = deadline.begin(5.0)
    inner = deadline.begin(60.0)
    assert deadline.left() == 5.0
    deadline.end(inner)
    inner = deadline.begin(1.0)
    assert deadline.left() == 1.0
    deadline.end(inner)
    assert deadline.left() == 5.0
    deadline.end(outer)


def test_a_lambda_keeps_a_margin_for_itself():
    assert deadline.of_lambda(Context(18_000)) == 17.0
    assert deadline.of_lambda(Context(200)) == 0.0
    assert deadline.of_lambda(None) == math.inf


def test_an_event_loop_takes_it_along_and_a_thread_does_not(clock):
    async def inside():
        return deadline.left()

    token = deadline.begin(5.0)
    with asyncio.Runner() as runner:
        runner.run(inside())  # the runner keeps the context of its first run
        clock[0] += 1
        second = deadline.begin(2.0)
        assert runner.run(inside(), context=contextvars.copy_context()) == 2.0
        deadline.end(second)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(deadline.left()))
    thread.start()
    thread.join()
    assert seen == [math.inf]
    deadline.end(token)


def test_a_retry_whose_wait_would_outlast_the_deadline_is_not_begun(clock):
    made, slept = [], []

    def fails():
        made.append(1)
        raise TimeoutError

    token = deadline.begin(1.5)
    with pytest.raises(TimeoutError):
        retrying(
            fails,
            on=TimeoutError,
            backoff=Backoff(base_s=1, cap_s=20, tries=5),
            sleep=lambda s: (slept.append(s), clock.__setitem__(0, clock[0] + s)),
            uniform=lambda low, high: high,
        )
    deadline.end(token)
    assert (len(made), slept) == (2, [1])
