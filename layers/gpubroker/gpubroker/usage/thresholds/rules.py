"""When a threshold fires. Pure: what was known of a subject and what is new go in, what is known now and what was
crossed come out.

A level (storage, memory, per cents) is judged by the newest reading of an instance, by event time: a reading that is
not newer than the last one says nothing, whether it is late or here for the second time. A cumulative metric (seconds,
MB) is judged by its sum over a period, which only grows: a threshold of a period is crossed once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from gpubroker.usage.thresholds.crossing import Crossed
from gpubroker.usage.thresholds.threshold import Span, Threshold


@dataclass(frozen=True, slots=True)
class Reading:
    """What one usage event says, by metric. begun and at: the beginning and the end of its period."""

    user_id: str
    instance_id: str
    begun: datetime
    at: datetime
    metrics: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Newest:
    """What is known of an instance: its newest reading, and against which thresholds it was held.

    seen     the revision of each threshold by id: one that was changed since, or is new, is held against the next
             reading as if nothing had been before, so that a value that is over it already is told
    version  counts the writes; 0 for what was never written
    """

    at: datetime | None = None
    metrics: Mapping[str, Decimal] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold that was crossed.

    instance_id  whose reading it was; None for a sum over a user's instances
    value        of the metric, in its own unit
    at           when it was measured
    span         the period of a sum
    """

    threshold: Threshold
    user_id: str
    instance_id: str | None
    value: Decimal
    crossed: Crossed
    at: datetime
    span: Span | None = None


def looked(newest: Newest, reading: Reading, thresholds: Iterable[Threshold]) -> tuple[Newest, list[Crossing]]:
    """Hold a reading against the levels among an instance's thresholds. `newest` itself when it says nothing new."""
    if newest.at is not None and reading.at <= newest.at:
        return newest, []
    crossings = []
    seen: dict[str, int] = {}
    for threshold in thresholds:
        metric = threshold.metric
        value = reading.metrics.get(metric.name)
        if not metric.level or not _watches(threshold, reading.instance_id):
            continue
        known = newest.seen.get(threshold.threshold_id) == threshold.revision
        if value is None:  # it was not measured: what was known stays
            if known:
                seen[threshold.threshold_id] = threshold.revision
            continue
        seen[threshold.threshold_id] = threshold.revision
        found = threshold.crossed(newest.metrics.get(metric.name) if known else None, value)
        if found:
            crossings.append(Crossing(threshold, reading.user_id, reading.instance_id, value, found, reading.at))
    after = Newest(reading.at, {**newest.metrics, **reading.metrics}, seen, newest.version)
    return after, crossings


def stale(newest: Newest, thresholds: Iterable[Threshold]) -> bool:
    """Whether somebody has seen thresholds of this instance that are newer than these: read them again."""
    known = {threshold.threshold_id: threshold.revision for threshold in thresholds}
    return any(known.get(threshold_id, 0) < revision for threshold_id, revision in newest.seen.items())


def added_up(
    threshold: Threshold, user_id: str, span: Span, total: Decimal, told: Decimal | None, *, at: datetime
) -> Crossing | None:
    """Hold a sum over a period against a threshold.

    told  the sum at which this threshold was told last in this period; None when it was not yet
    """
    found = threshold.crossed(told, total)
    return Crossing(threshold, user_id, threshold.instance_id, total, found, at, span) if found else None


def _watches(threshold: Threshold, instance_id: str) -> bool:
    return threshold.enabled and threshold.instance_id in (None, instance_id)


def sums_wanted(
    thresholds: Iterable[Threshold], readings: Iterable[Reading]
) -> dict[tuple[str, Span], tuple[Threshold, datetime]]:
    """The sums that readings of one user have moved, by threshold and period, with the newest moment of each."""
    wanted: dict[tuple[str, Span], tuple[Threshold, datetime]] = {}
    cumulative = [one for one in thresholds if not one.metric.level and one.period is not None]
    for reading in readings:
        for threshold in cumulative:
            if not reading.metrics.get(threshold.metric.name) or not _watches(threshold, reading.instance_id):
                continue
            assert threshold.period is not None  # noqa: S101  as chosen above
            key = threshold.threshold_id, Span.of(threshold.period, reading.begun)
            before = wanted.get(key)
            if before is None or before[1] < reading.at:
                wanted[key] = threshold, reading.at
    return wanted
