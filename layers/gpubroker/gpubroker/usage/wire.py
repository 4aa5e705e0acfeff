"""An event as it is sent, made the event that is kept; the rules that need no more than the event and the clock."""

from typing import Any

from gpubroker.usage.checks import FUTURE_MS, LATE_DAYS, LATE_MS
from gpubroker.usage.event import LONGEST_MS, METRICS, SHORTEST_MS, UNIT, Usage, moment_ms
from gpubroker.usage.requests import UsageEvent

MOST_CORES = 4096
MOST_GPUS = 1024
"""More of them in one instance are a mistake of the sender's."""


def event_of(sent: Any) -> Usage:
    """Raises pydantic's ValidationError, or Refused."""
    return usage_of(UsageEvent.model_validate(sent, strict=True))


class Refused(Exception):
    """A field that is well-formed and wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message


def usage_of(sent: UsageEvent) -> Usage:
    """The event as it is kept. Raises Refused."""
    start, end = _moment("period.start", sent.period.start), _moment("period.end", sent.period.end)
    stamp = _moment("timestamp", sent.timestamp)
    length = end - start
    if length <= 0:
        raise Refused("period.end", "must be after period.start")
    if length < SHORTEST_MS:
        raise Refused("period", "is shorter than a second")
    if length > LONGEST_MS:
        raise Refused("period", "is longer than an hour; send an event for each part of it")
    if not start <= stamp <= end + LONGEST_MS:
        raise Refused("timestamp", "must lie in the period or at most an hour after it")
    given = [getattr(sent.metrics, name) for name in METRICS]
    if all(value is None for value in given):
        raise Refused("metrics", "holds none")
    metrics = tuple(None if value is None else _millionths(f"metrics.{name}", value)
                    for name, value in zip(METRICS, given, strict=True))  # fmt: skip
    for name, most, what in (("cpu_seconds", MOST_CORES, "cores"), ("gpu_seconds", MOST_GPUS, "GPUs")):
        value = metrics[METRICS.index(name)]
        if value is not None and value * 1000 > length * UNIT * most:
            raise Refused(f"metrics.{name}", f"is more than {most} {what} have in this period")
    return Usage(sent.instance_id, sent.user_id, sent.org_id, start, length, stamp - end, sent.event_id, metrics)


def _moment(field: str, text: str) -> int:
    try:
        return moment_ms(text)
    except ValueError as error:
        raise Refused(field, str(error)) from error


def _millionths(field: str, value: float) -> int:
    """Exact: below a billion a double holds six decimal places."""
    whole = round(value * UNIT)
    if whole / UNIT != value:
        raise Refused(field, "has more than six decimal places")
    return whole


def out_of_time(event: Usage, now_ms: int) -> tuple[str, str] | None:
    """The field that lies too far ahead or too far back, and what to say of it."""
    end = event.start_ms + event.length_ms
    if max(end, end + event.stamp_ms) > now_ms + FUTURE_MS:
        field = "period.end" if end > now_ms + FUTURE_MS else "timestamp"
        return field, "lies more than five minutes in the future"
    if end + event.stamp_ms < now_ms - LATE_MS:
        return "timestamp", f"lies more than {LATE_DAYS} days back; so late an event is not taken"
    if event.start_ms < now_ms - LATE_MS:
        return "period.start", f"lies more than {LATE_DAYS} days back; so late an event is not taken"
    return None
