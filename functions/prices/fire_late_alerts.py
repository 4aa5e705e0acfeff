"""From the queue of pages that the workflow could not fire: fire them, later."""

from typing import Any

import orjson
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import alerts as composition
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tasks import task


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    step = task(composition.alert_firing().step)  # in the trace of the change, which the message brings along
    return each_record(event, lambda record: step(orjson.loads(record.body), context), kind="sqs")
