"""An exact moving window of permits, in one process and without a clock of its own.

The same rule as the script that Redis runs for `edge.rate_limits`: a permit taken at `t` counts until `t + window`, so
no window of that length, wherever it starts, holds more than `limit` permits. With a grain over one microsecond,
permits are kept by slots of that length and each counts until the end of its slot plus the window: never more than the
limit, free again at most one grain later, and at most `window / grain + 2` slots of memory whatever the limit is.
"""

from collections import deque
from typing import NamedTuple

MICROSECONDS = 1_000_000


class Taken(NamedTuple):
    """What came of asking for one permit. Times in seconds.

    remaining      permits left after this one
    reset_after_s  until the oldest permit leaves the window, so that one more is free
    retry_after_s  until a refused caller would be allowed; 0 when it was allowed
    """

    allowed: bool
    remaining: int
    reset_after_s: float
    retry_after_s: float


class SlidingWindow:
    """At most `limit` permits in any `window_s` seconds. Not thread safe: the owner holds the lock."""

    __slots__ = ("_grain", "_limit", "_slots", "_used", "_window")

    def __init__(self, limit: int, *, window_s: float = 1.0, grain_us: int = 1) -> None:
        self._limit = limit
        self._window = round(window_s * MICROSECONDS)
        self._grain = grain_us
        self._slots: deque[tuple[int, int]] = deque()  # (start in microseconds, permits), oldest first
        self._used = 0

    def take(self, now: float) -> Taken:
        """One permit at `now` (seconds on any clock). A clock that steps back is read as standing still."""
        slots, held = self._slots, self._grain - 1 + self._window
        at = round(now * MICROSECONDS)
        if slots:
            at = max(at, slots[-1][0])
        while slots and slots[0][0] + held <= at:
            self._used -= slots.popleft()[1]
        if self._used >= self._limit:
            wait = (slots[0][0] + held - at) / MICROSECONDS
            return Taken(False, 0, wait, wait)
        slot = at - at % self._grain
        if slots and slots[-1][0] == slot:
            slots[-1] = (slot, slots[-1][1] + 1)
        else:
            slots.append((slot, 1))
        self._used += 1
        return Taken(True, self._limit - self._used, (slots[0][0] + held - at) / MICROSECONDS, 0.0)
