"""How the place behind a webhook is doing: how much is under way there, since when it fails, when it is left alone.

Pure. One slow or dead endpoint must not delay others: at most four tries are under way to it at once, and after five
failures in a row fresh deliveries go to the schedule untried until a minute has passed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

SLOTS = 4
"""Tries that may be under way at once."""
FAILURES = 5
"""In a row, after which fresh deliveries are not tried at once."""
REST = timedelta(seconds=60)
STOPPED_AFTER = timedelta(hours=120)
DAY = timedelta(hours=24)
APART = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """slots          until when each is taken, epoch milliseconds; a function that dies frees its slot by time
    failures       in a row
    failing_since  the first failure without a success since
    last_failure   the last
    day_first      the first failure of the last day before that, see `stops`
    resting_until  fresh deliveries go to the schedule until then
    """

    slots: tuple[int, ...] = (0,) * SLOTS
    failures: int = 0
    failing_since: datetime | None = None
    last_failure: datetime | None = None
    day_first: datetime | None = None
    resting_until: datetime | None = None

    def free(self, now: datetime) -> list[int]:
        """The numbers of the slots that are free."""
        return [number for number, until in enumerate(self.slots) if until < milliseconds(now)]

    def resting(self, now: datetime) -> bool:
        return self.resting_until is not None and self.resting_until > now

    def first_of_the_day(self, now: datetime) -> datetime:
        """The first failure within a day before a failure now."""
        if self.day_first is not None and now - self.day_first <= DAY:
            return self.day_first
        if self.last_failure is not None and now - self.last_failure <= DAY:
            return self.last_failure
        return now

    def stops(self, now: datetime) -> bool:
        """Whether a failure now is the one that stops it: nothing has succeeded for 120 hours, and failures of the last
        day lie twelve hours apart. So an endpoint that is hardly ever called is not stopped by two mishaps."""
        if self.failing_since is None or now - self.failing_since < STOPPED_AFTER:
            return False
        return now - self.first_of_the_day(now) >= APART

    def rests(self, now: datetime) -> datetime | None:
        """Until when it is left alone after one more failure now."""
        return now + REST if self.failures + 1 >= FAILURES else self.resting_until


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
