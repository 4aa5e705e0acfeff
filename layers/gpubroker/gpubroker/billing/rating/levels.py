"""A level that changes now and then (GB stored, GPUs held), weighted by time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

_MICROSECOND = timedelta(microseconds=1)


def level_seconds(
    changes: Iterable[tuple[datetime, Decimal | int]],
    *,
    start: datetime,
    end: datetime,
    initial: Decimal | int = 0,
) -> Fraction:
    """The level times the seconds it stood, over [start, end): exact.

    changes: by how much the level changed, and when, in any order; those before `start` count as having happened
    before, those from `end` on are of the next period.
    """
    level, at, held = Fraction(initial), start, Fraction(0)
    for moment, change in sorted(changes, key=lambda one: one[0]):
        if moment >= end:
            break
        now = max(moment, start)
        held += level * ((now - at) // _MICROSECOND)
        level += Fraction(change)
        at = now
    held += level * ((end - at) // _MICROSECOND)
    return held / 1_000_000


def time_weighted(
    changes: Iterable[tuple[datetime, Decimal | int]],
    *,
    start: datetime,
    end: datetime,
    initial: Decimal | int = 0,
) -> Fraction:
    """The average level over [start, end): a GB for half a month is half a GB-month (Lago's weighted sum)."""
    seconds = Fraction((end - start) // _MICROSECOND, 1_000_000)
    return level_seconds(changes, start=start, end=end, initial=initial) / seconds
