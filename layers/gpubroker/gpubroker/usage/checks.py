"""A record of the usage stream, checked: cheaply, a column at a time, though its events were checked when they came.

What stands in the stream may have been written by anybody who may write to it. One wrong value makes the whole record
unreadable; of plain events only the wrong ones are.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

from gpubroker.usage.event import HOUR_MS, LONGEST_MS, METRICS, SHORTEST_MS, UNIT, Usage
from gpubroker.usage.stream import Unreadable, columns_of, series_and_time

FUTURE_MS = 5 * 60 * 1000
"""How far ahead of ours a sender's clock may be."""
LATE_DAYS = 35
"""How late an event may come, as with Stripe's meters: a month's invoice can still be put right, and no longer."""
LATE_MS = LATE_DAYS * 24 * HOUR_MS

_MOST = {
    "cpu_percent_avg": 100 * UNIT,
    "memory_percent": 100 * UNIT,
    "memory_gb": 1_000_000 * UNIT,
    "storage_gb": 1_000_000 * UNIT,
}
_MOST_OF = tuple(_MOST.get(name, 1_000_000_000 * UNIT) for name in METRICS)
_INTS = {int}
_INTS_AND_GAPS = {int, type(None)}
_TEXTS_AND_GAPS = {str, type(None)}


@dataclass(slots=True)
class Checked:
    """A record's columns (stream.py). Lengths and stamps that are all the same are one number."""

    received_ms: int
    series: list[tuple[str, str, str | None, int]]
    starts: list[int]
    lengths: int | list[int]
    stamps: int | list[int]
    ids: list[str | None] | None
    metrics: list[list[int | None] | None]


def checked(columns: dict[str, Any] | None) -> Checked:
    """Raises Unreadable."""
    if columns is None:
        raise Unreadable("no columns")
    try:
        return _checked(columns)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"columns that do not fit: {error!r}") from error


def _checked(columns: dict[str, Any]) -> Checked:
    starts, received = columns["start"], columns["received_at"]
    count = len(starts)
    lengths = _whole(columns["length"], count, "length")
    stamps = columns["stamp"]
    if stamps != 0:
        _whole(stamps, count, "stamp")
    if type(received) is not int or not count or set(map(type, starts)) != _INTS:
        raise Unreadable("moments that are no whole numbers")
    shortest, longest = min(lengths), max(lengths)
    if shortest < SHORTEST_MS or longest > LONGEST_MS:
        raise Unreadable("a period that is no period")
    # Up to an hour of a late event's period lies before its timestamp.
    if min(starts) < received - LATE_MS - LONGEST_MS or max(starts) + shortest > received + FUTURE_MS:
        raise Unreadable("a period from the future, or too far back")
    ids = columns["event_id"]
    if ids is not None and (len(ids) != count or not set(map(type, ids)) <= _TEXTS_AND_GAPS):
        raise Unreadable("event_id")
    metrics = [columns[name] for name in METRICS]
    for name, column, most in zip(METRICS, metrics, _MOST_OF, strict=True):
        if column is None:
            continue
        kinds = set(map(type, column))
        if kinds != _INTS:
            if not kinds <= _INTS_AND_GAPS:
                raise Unreadable(name)
            column = [value for value in column if value is not None] or [0]
        elif len(column) != count:
            raise Unreadable(f"{name} has another length")
        if min(column) < 0 or max(column) > most:
            raise Unreadable(f"{name} is out of bounds")
    return Checked(
        received_ms=received,
        series=_series(columns["series"], count),
        starts=starts,
        lengths=shortest if shortest == longest else lengths,
        stamps=stamps,
        ids=ids,
        metrics=metrics,
    )


def _whole(column: Any, count: int, name: str) -> list[int]:
    if type(column) is not list or len(column) != count or set(map(type, column)) != _INTS:
        raise Unreadable(name)
    return column


def _series(series: Any, count: int) -> list[tuple[str, str, str | None, int]]:
    instances, users, orgs, counts = zip(*series, strict=True)
    if set(map(type, chain(instances, users))) != {str} or not all(instances) or not all(users):
        raise Unreadable("series of nobody")
    if not set(map(type, orgs)) <= _TEXTS_AND_GAPS or set(map(type, counts)) != _INTS:
        raise Unreadable("series")
    if sum(counts) != count or min(counts) <= 0:
        raise Unreadable("series of another length")
    return series  # type: ignore[no-any-return]


def checked_plain(sent: list[Any], received_ms: int) -> tuple[Checked | None, list[Any]]:
    """The same of events in the seed's own shape, and those that are none."""
    from pydantic import ValidationError

    from gpubroker.usage.wire import Refused, event_of, out_of_time

    events: list[Usage] = []
    bad: list[Any] = []
    for one in sent:
        try:
            event = event_of({key: value for key, value in one.items() if key != "received_at"})
        except (ValidationError, Refused, AttributeError):
            bad.append(one)
            continue
        if out_of_time(event, received_ms):
            bad.append(one)
        else:
            events.append(event)
    events.sort(key=series_and_time)
    return (checked(columns_of(events, received_ms)) if events else None), bad
