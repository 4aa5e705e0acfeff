"""How long to wait before trying again: full jitter, so that those who failed together do not return together."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gpubroker.kernel import deadline

T = TypeVar("T")
Uniform = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """A schedule: at most `tries` calls, waits of uniform(0, min(cap_s, base_s * 2**n)) seconds between them.

    Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    base_s: float = 0.1
    cap_s: float = 10.0
    tries: int = 4

    def ceiling(self, attempt: int) -> float:
        """The longest wait after the failed try number `attempt`, counted from 0, in seconds."""
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt, 1000))

    def wait(self, attempt: int, uniform: Uniform = random.uniform) -> float:
        """A wait after the failed try number `attempt`, in seconds."""
        return uniform(0.0, self.ceiling(attempt))


def retrying(
    call: Callable[[], T],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    backoff: Backoff,
    sleep: Callable[[float], None] = time.sleep,
    uniform: Uniform = random.uniform,
) -> T:
    """The result of `call`, tried again after an error of `on`. The last such error, and any other, is raised.

    A wait that would outlast the deadline (kernel/deadline.py) is not begun: the error is raised instead.
    `call` must be harmless to repeat: a try that failed may have taken effect.
    """
    for attempt in range(backoff.tries - 1):
        try:
            return call()
        except on:
            wait = backoff.wait(attempt, uniform)
            if wait >= deadline.left():
                raise
            sleep(wait)
    return call()
