"""From the queue of history: what the bus tells of prices, kept as raw history and for the roll-ups."""

import json
from typing import Any

from gpubroker.kernel.time import utc_now
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tasks import task
from gpubroker.prices.history.recording import record_changes


def record_history(event: dict[str, Any]) -> Any:
    return each_record(
        event, lambda record: record_changes(json.loads(record.body)["detail"]["updates"], utc_now()), kind="sqs"
    )


handler = task(record_history)
