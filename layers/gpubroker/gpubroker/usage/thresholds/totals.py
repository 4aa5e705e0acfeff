"""What the metering has counted over a period: the user's own history, as the user would be answered.

A period of a day or a month is a few totals that are kept; of hours that go on, what is there at this moment. So a sum
is as exact as the history, and as late: an event is counted within a minute or two.
"""

from collections.abc import Mapping
from decimal import Decimal

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Invalid, NotFound
from gpubroker.kernel.time import Clock
from gpubroker.usage.event import SUMMED
from gpubroker.usage.history import History
from gpubroker.usage.requests import HistoryFields
from gpubroker.usage.thresholds.threshold import Span


class CountedTotals:
    """usage.thresholds.ports.Totals over the history."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history, self._clock = history, clock

    def of(self, user_id: str, instance_id: str | None, span: Span) -> Mapping[str, Decimal]:
        if span.start >= self._clock():
            return {}  # a sender's clock is ahead of ours: the second look will be in that period
        wanted = HistoryFields(start=span.start, end=span.end, granularity=span.period.value, metrics=list(SUMMED))
        caller = Caller(Role.USER, subject=user_id, tenant=user_id)
        try:
            if instance_id is None:
                found = self._history.of_user(caller, user_id, wanted)
            else:
                found = self._history.of_instance(caller, instance_id, wanted)
        except (NotFound, Invalid):
            return {}  # nothing is counted yet, or hours so old are kept no more
        amounts = found.points[0].metrics
        return {name: Decimal(str(amounts[name])) for name in SUMMED if amounts.get(name) is not None}
