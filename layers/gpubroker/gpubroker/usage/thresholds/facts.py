"""What is told of thresholds: ThresholdCrossed, once per crossing. Its schema and sample stand in events/usage/."""

from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.time import iso
from gpubroker.usage.thresholds.rules import Crossing

SOURCE = "usage"


def crossed(crossing: Crossing, *, now: datetime) -> Event:
    """That a value went over a threshold. The id is made of what it tells, so that one crossing is one fact, whoever
    tells it and however often: the outbox takes an id once."""
    threshold, span = crossing.threshold, crossing.span
    subject = crossing.instance_id or ""
    moment = iso(span.start) if span else iso(crossing.at)
    detail: dict[str, Any] = {
        "threshold_id": threshold.threshold_id,
        "user_id": crossing.user_id,
        "instance_id": crossing.instance_id,
        "resource_type": threshold.resource.value,
        "threshold_type": threshold.kind.value,
        "threshold_value": float(threshold.value),
        "units": threshold.units,
        "limit": None if threshold.limit is None else float(threshold.limit),
        "limit_units": threshold.limit_units,
        "measured": float(threshold.in_own_terms(crossing.value)),
        "metric": threshold.metric.name,
        "metric_value": float(crossing.value),
        "crossed": [float(threshold.in_own_terms(value)) for value in crossing.crossed.values],
        "crossings": crossing.crossed.count,
        "period": span and {"period": span.period.value, "start": iso(span.start), "end": iso(span.end)},
        "action": threshold.action,
        "channels": list(threshold.channels),
        "callback": threshold.callback is not None,
        "measured_at": iso(crossing.at),
        "crossed_at": iso(now),
    }
    highest = crossing.crossed.values[-1]
    return Event(
        "ThresholdCrossed",
        threshold.threshold_id,
        detail,
        id=named_id(
            "evt",
            "ThresholdCrossed",
            threshold.threshold_id,
            threshold.revision,
            crossing.user_id,
            subject,
            moment,
            highest.normalize(),
        ),
        occurred_at=now,
    )
