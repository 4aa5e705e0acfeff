"""How long the present invocation may still take: said once where it begins, asked by whatever is about to wait.

    token = deadline.begin(5.0)            # edge/http.py, messaging/tasks.py
    box = deadline.at_most(20.0)           # a call to a provider: 20 s, or what is left
    deadline.end(token)

A deadline is only ever moved forward: one inside another cannot be later. Where none was set, nothing is bounded.
It is a context variable: an event loop takes it along when it is run with `contextvars.copy_context()`, a thread does
not.
"""

import math
import time
from contextvars import ContextVar, Token
from typing import Any

from gpubroker.kernel.errors import UpstreamTimeout

MARGIN_S = 1.0
"""What a Lambda keeps for itself: to write down what came of a call, and to answer."""

_ends: ContextVar[float] = ContextVar("deadline", default=math.inf)

Begun = Token[float]


class OutOfTime(UpstreamTimeout):
    """Less is left than what comes next needs, so it was not begun."""

    code = "out-of-time"
    title = "There was no time left to finish this"


def begin(seconds: float) -> Begun:
    """Nothing from here to `end` should wait longer than so many seconds (inf: no bound of its own)."""
    return _ends.set(min(_ends.get(), time.monotonic() + seconds))


def end(token: Begun) -> None:
    _ends.reset(token)


def left() -> float:
    """Seconds that are left, never negative; inf where nothing was bounded."""
    return max(0.0, _ends.get() - time.monotonic())


def at_most(seconds: float) -> float:
    """`seconds`, or what is left when that is less."""
    return min(seconds, left())


def need(seconds: float, what: str) -> None:
    """Raises OutOfTime unless so many seconds are left. `what` is for the reader of the error."""
    if left() < seconds:
        raise OutOfTime(f"No time was left for {what}.")


def of_lambda(context: Any) -> float:
    """Seconds that a Lambda's context still grants, less the margin; inf for a context that does not say."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return math.inf if remaining is None else max(0.0, remaining() / 1000 - MARGIN_S)
