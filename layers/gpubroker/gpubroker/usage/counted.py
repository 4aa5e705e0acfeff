"""What is counted already, for those who send: an early word on repeats and on periods that overlap.

A sender is told at once what the aggregation would find out later: a 422 instead of a conflict in a count. What is
counted now is read, so events that are still on their way are not compared; the aggregation has the last word.
"""

from collections.abc import Sequence

from gpubroker.usage.aggregation import HourKey, Hours
from gpubroker.usage.event import Usage
from gpubroker.usage.hour import Hour, hour_of
from gpubroker.usage.ingest import Wrong

_EARLY_MS = 60_000
"""An event that begins so soon after the full hour is compared with the hour before too, whose last event may reach
into this one."""


class CountedHours:
    """usage.ingest.Counted over the hours in the table."""

    def __init__(self, hours: Hours) -> None:
        self._hours = hours

    def against(self, events: Sequence[Usage]) -> tuple[set[int], dict[int, Wrong]]:
        found = {key: Hour(key[2], stored) for key, stored in self._hours.read(_keys(events)).items()}
        repeated: set[int] = set()
        wrong: dict[int, Wrong] = {}
        for index, event in enumerate(events):
            for hour_ms in _hours_of(event):
                hour = found.get((event.user_id, event.instance_id, hour_ms))
                if hour is None:
                    continue
                clash = hour.clash(event)
                if clash == "repeated":
                    repeated.add(index)
                elif clash is not None:
                    field = "event_id" if "another period" in clash else "period"
                    wrong[index] = Wrong(index, field, clash)
        return repeated, wrong


def _keys(events: Sequence[Usage]) -> list[HourKey]:
    return list(
        dict.fromkeys((event.user_id, event.instance_id, hour) for event in events for hour in _hours_of(event))
    )


def _hours_of(event: Usage) -> tuple[int, ...]:
    first, last = hour_of(event.start_ms), hour_of(event.start_ms + event.length_ms - 1)
    if first != last:
        return first, last
    return (first,) if event.start_ms - first >= _EARLY_MS else (first, hour_of(first - 1))
