"""From the queue of roll-ups: one period of one GPU type at a time."""

import json
from typing import Any

from gpubroker.kernel.time import utc_now
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tasks import task
from gpubroker.prices.history.rollups import roll_up as do


def roll_up(event: dict[str, Any]) -> Any:
    return each_record(event, lambda record: do(json.loads(record.body), utc_now), kind="sqs")


handler = task(roll_up)
