"""From the queue of facts: the deliveries of those who want to hear of them"""

from typing import Any

import orjson

from gpubroker.composition import webhooks as composition
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tracing import traced


def fan_out_webhooks(event: dict[str, Any], context: Any) -> Any:
    fan_out = composition.webhook_fan_out()
    return each_record(event, lambda record: fan_out.on_message(orjson.loads(record.body)), kind="sqs")


handler = traced(fan_out_webhooks)
