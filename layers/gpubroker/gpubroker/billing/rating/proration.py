"""A part of a period's fee: by seconds, or by whole days with both ends counted (docs/billing.md)."""

from datetime import date, datetime, timedelta
from typing import Literal

from gpubroker.billing.rating.rounding import half_even
from gpubroker.kernel.money import MicroUsd

Proration = Literal["seconds", "days", "none"]

_SECOND = timedelta(seconds=1)


def by_seconds(amount: MicroUsd, *, used: timedelta, period: timedelta) -> MicroUsd:
    """The share of `used` in a period, both in whole seconds, half to even once."""
    _within(used / _SECOND, period / _SECOND)
    return half_even(amount * (used // _SECOND), period // _SECOND)


def by_days(amount: int, *, first: date, last: date, period_days: int) -> int:
    """The share of the days from `first` to `last`, both included, in a period of `period_days`, half to even once."""
    days = (last - first).days + 1
    _within(days, period_days)
    return half_even(amount * days, period_days)


def prorated(
    amount: MicroUsd, how: Proration, *, since: datetime, until: datetime, start: datetime, end: datetime
) -> MicroUsd:
    """What [since, until) of a period [start, end) costs. The divisor is always the whole period.

    `days`: every UTC day that was touched counts whole, the last one too. `none`: the whole fee for any part.
    """
    since, until = max(since, start), min(until, end)
    if until <= since:
        return 0
    if how == "none":
        return amount
    if how == "seconds":
        return by_seconds(amount, used=until - since, period=end - start)
    last = (until - timedelta(microseconds=1)).date()
    return by_days(amount, first=since.date(), last=last, period_days=(end.date() - start.date()).days)


def _within(used: float, period: float) -> None:
    if not 0 <= used <= period or period == 0:
        raise ValueError("a part is not negative and not longer than its period")
