"""From the stream of usage events: which accounts have something to bill in a month."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import invoices as composition
from gpubroker.messaging.streams import each_record


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_record(event, lambda record: composition.note_usage(record.kinesis.data_as_bytes()), kind="kinesis")
