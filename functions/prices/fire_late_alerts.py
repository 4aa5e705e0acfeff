"""From the queue of pages that the workflow could not fire: fire them, later."""

from typing import Any

import orjson
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import alerts as composition
from gpubroker.messaging.streams import each_record


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    firing = composition.alert_firing()
    return each_record(event, lambda record: firing.step(orjson.loads(record.body)), kind="sqs")
