"""What was set aside of the usage stream (docs/usage.md, "Redrive"); how it comes again: messaging/aside.py."""

from collections.abc import Callable

import orjson

from gpubroker.messaging.aside import Queue, Redrive, Refused
from gpubroker.usage.aggregation import Aggregation, Hours


def queue() -> Queue:
    """Of records that hold no usage events, and of batches that AWS gave up."""
    return Queue("UNREAD_USAGE_QUEUE_URL", records="usage record", contents="events")


def redrive(hours: Hours, clock_ms: Callable[[], int]) -> Redrive:
    """Bring it to the aggregation again, but for heartbeats: what they said of then says nothing of now."""
    take = Aggregation(hours, Refused(), clock_ms).take
    return Redrive(queue(), take, orjson.dumps, wanted=lambda data: b'"beat"' not in data[:16])
