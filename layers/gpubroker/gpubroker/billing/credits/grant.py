"""A grant of credit, when it counts, and the order in which grants are burnt."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from gpubroker.kernel.money import MicroUsd

Every = Literal["day", "week", "month"]

_STEPS = {"day": timedelta(days=1), "week": timedelta(days=7)}
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The balance is the whole amount again (it does not add up) at the anchor and each step before and after it.

    Months count from the anchor's day, or the last day of a shorter month, in UTC.
    """

    every: Every
    anchor: datetime

    def since(self, at: datetime) -> datetime:
        """The latest reset that is not after `at`."""
        if self.every != "month":
            step = _STEPS[self.every]
            return self.anchor + (at - self.anchor) // step * step
        months = (at.year - self.anchor.year) * 12 + at.month - self.anchor.month
        found = _months_on(self.anchor, months)
        return found if found <= at else _months_on(self.anchor, months - 1)

    def between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The resets in (after, before)."""
        if self.every != "month":
            step = _STEPS[self.every]
            moment = self.since(after) + step
            while moment < before:
                yield moment
                moment += step
            return
        start = self.since(after)
        months = (start.year - self.anchor.year) * 12 + start.month - self.anchor.month
        while (moment := _months_on(self.anchor, months := months + 1)) < before:
            yield moment


@dataclass(frozen=True, slots=True)
class Grant:
    """amount     micro-USD
    priority   0 to 255; the lower number is burnt first
    expires_at what is left then is forfeited; None: never
    voided_at  what is left then is gone
    resources  the only resources whose charges it pays; empty: any
    """

    grant_id: str
    amount: MicroUsd
    effective_at: datetime
    created_at: datetime
    priority: int = 100
    expires_at: datetime | None = None
    voided_at: datetime | None = None
    recurrence: Recurrence | None = None
    resources: tuple[str, ...] = ()

    @property
    def ends_at(self) -> datetime:
        return min(self.expires_at or _NEVER, self.voided_at or _NEVER)

    def active(self, at: datetime) -> bool:
        """[effective, end): what is used at the moment of expiry is not paid any more."""
        return self.effective_at <= at < self.ends_at

    def pays(self, resource: str) -> bool:
        return not self.resources or resource in self.resources

    @property
    def order(self) -> tuple[int, datetime, datetime, str]:
        """Lower priority number, earlier expiry at whole seconds (none last), earlier creation, id (OpenMeter)."""
        expiry = self.expires_at.replace(microsecond=0) if self.expires_at else _NEVER
        return (self.priority, expiry, self.created_at, self.grant_id)


def _months_on(anchor: datetime, months: int) -> datetime:
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    for day in range(anchor.day, 27, -1):
        try:
            return anchor.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue  # a shorter month
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, 28))
