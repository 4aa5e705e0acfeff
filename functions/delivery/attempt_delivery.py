"""From the queue of deliveries: the first try of each"""

from typing import Any

import orjson

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.steps import Ask
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tracing import traced


def attempt_delivery(event: dict[str, Any], context: Any) -> Any:
    attempts = composition.webhook_attempts()
    return each_record(event, lambda record: attempts.first(Ask.read(orjson.loads(record.body))), kind="sqs")


handler = traced(attempt_delivery)
