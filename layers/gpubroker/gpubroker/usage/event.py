"""One usage event: what an instance used in one period (the seed's `resource_usage`, version 1.0).

Inside, a metric is an integer number of millionths of its unit and a moment is epoch milliseconds, so that sums are
exact and do not depend on the order in which they are made. At the edge they are JSON numbers and RFC 3339.
"""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gpubroker.kernel.ids import named_id

EVENT_TYPE = "resource_usage"
VERSION = "1.0"

SUMMED = ("cpu_seconds", "network_egress_mb", "network_ingress_mb", "gpu_seconds")
"""Amounts: the events of an hour are added."""
LEVELS = ("cpu_percent_avg", "memory_gb", "memory_percent", "storage_gb")
"""Levels: each counts as long as its period (time-weighted), and the highest is kept."""
METRICS = (
    "cpu_seconds",
    "cpu_percent_avg",
    "memory_gb",
    "memory_percent",
    "storage_gb",
    "network_egress_mb",
    "network_ingress_mb",
    "gpu_seconds",
)
"""In the seed's order, which is the order of columns everywhere."""

UNIT = 1_000_000
HOUR_MS = 3_600_000
LONGEST_MS = HOUR_MS
SHORTEST_MS = 1000
"""The longest and the shortest period of one event: an hour holds 3,600 at most."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)")


class Usage(NamedTuple):
    """An accepted event.

    length_ms  of its period, which begins at start_ms
    stamp_ms   its timestamp, counted from the end of the period
    event_id   as the sender gave it; None where the period is its identity
    metrics    millionths, in the order of METRICS; None for what was not measured, which is not zero
    """

    instance_id: str
    user_id: str
    org_id: str | None
    start_ms: int
    length_ms: int
    stamp_ms: int
    event_id: str | None
    metrics: tuple[int | None, ...]


def moment_ms(text: str) -> int:
    """Epoch milliseconds of an RFC 3339 moment in UTC; what is finer is cut off. Raises ValueError."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("must be RFC 3339 in UTC, like 2026-07-15T14:30:00Z")
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def moment_text(at_ms: int) -> str:
    """The seed's way of writing a moment: whole seconds without a fraction."""
    text = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{text}Z"


def number(millionths: int) -> int | float:
    """A metric as the JSON number to show: whole where it is whole, else its shortest exact decimal."""
    return millionths // UNIT if millionths % UNIT == 0 else millionths / UNIT


def identity_of(instance_id: str, start_ms: int, length_ms: int) -> str:
    """The id of an event whose sender gave none: always the same for an instance and a period (DESIGN §4)."""
    return named_id("use", instance_id, start_ms, length_ms)


def told(event: Usage, received_ms: int) -> dict[str, Any]:
    """The event in the seed's shape, with its id and when we took it."""
    end = event.start_ms + event.length_ms
    shown: dict[str, Any] = {
        "event_type": EVENT_TYPE,
        "version": VERSION,
        "timestamp": moment_text(end + event.stamp_ms),
        "user_id": event.user_id,
        "org_id": event.org_id,
        "instance_id": event.instance_id,
        "metrics": {
            name: number(value) for name, value in zip(METRICS, event.metrics, strict=True) if value is not None
        },
        "period": {"start": moment_text(event.start_ms), "end": moment_text(end)},
        "event_id": event.event_id or identity_of(event.instance_id, event.start_ms, event.length_ms),
        "received_at": moment_text(received_ms),
    }
    if event.org_id is None:
        del shown["org_id"]
    return shown
