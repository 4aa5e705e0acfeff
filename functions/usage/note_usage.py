"""From the table's stream: hours that changed, so that the totals they are in are made again."""

import time
from typing import Any

from gpubroker.messaging.tasks import task
from gpubroker.usage.changes import note_changes


def note_usage(event: dict[str, Any]) -> dict[str, Any]:
    return note_changes(event["Records"], time.time_ns() // 1_000_000)


handler = task(note_usage)
