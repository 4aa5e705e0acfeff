"""From records of the usage stream to readings: only of users who are watched, so that all others cost next to nothing.

What holds no usage is told by a count and a line: the aggregation, which reads the same records, keeps it aside.
"""

import base64
import binascii
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gpubroker.messaging.log import logger
from gpubroker.usage.checks import Checked, checked, checked_plain
from gpubroker.usage.event import METRICS
from gpubroker.usage.stream import Unreadable, read
from gpubroker.usage.thresholds.rules import Reading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLIONTHS = -6


def columns_of(record: Mapping[str, Any], now_ms: int) -> tuple[Checked | None, int]:
    """The columns of a record (None where it has no events), and how much of it was no usage."""
    try:
        held = read(base64.b64decode(record["kinesis"]["data"], validate=True))
        if held.beat_ms is not None:
            return None, 0
        if held.plain is None:
            return checked(held.columns), 0
        columns, bad = checked_plain(held.plain, now_ms)
    except (Unreadable, binascii.Error) as error:
        logger().error("usage record unreadable", extra={"record": record.get("eventID"), "error": str(error)})
        return None, 1
    if bad:
        logger().error("usage events unreadable", extra={"record": record.get("eventID"), "events": len(bad)})
    return columns, len(bad)


def users_of(columns: Checked) -> set[str]:
    return {user_id for _, user_id, _, _ in columns.series}


def readings_of(columns: Checked, watched: Container[str]) -> Iterator[Reading]:
    """The readings of users who are watched."""
    at = 0
    for instance_id, user_id, _, count in columns.series:
        if user_id in watched:
            for row in range(at, at + count):
                yield _reading(columns, user_id, instance_id, row)
        at += count


def _reading(columns: Checked, user_id: str, instance_id: str, row: int) -> Reading:
    length = columns.lengths if isinstance(columns.lengths, int) else columns.lengths[row]
    begun = _EPOCH + timedelta(milliseconds=columns.starts[row])
    metrics = {
        name: Decimal(value).scaleb(_MILLIONTHS)
        for name, column in zip(METRICS, columns.metrics, strict=True)
        if column is not None and (value := column[row]) is not None
    }
    return Reading(user_id, instance_id, begun, begun + timedelta(milliseconds=length), metrics)
