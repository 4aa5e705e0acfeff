"""Batches of stream and queue records, one record at a time: a bad one never costs the others (DESIGN §3).

Powertools' BatchProcessor keeps the account and makes the partial answer. From a stream only the first failure's
position matters to AWS, which sends that record and all after it again: so handling a record twice must be
harmless, everywhere.
"""

from collections.abc import Callable
from typing import Any, Literal

import orjson
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.kernel import trace

Kind = Literal["dynamodb", "kinesis", "sqs"]
_TYPES = {
    "dynamodb": EventType.DynamoDBStreams,
    "kinesis": EventType.KinesisDataStreams,
    "sqs": EventType.SQS,
}


def each_record(event: dict[str, Any], handle: Callable[[Any], object], *, kind: Kind) -> PartialItemFailureResponse:
    """Handle each record of a batch; answer with the records that failed.

    `handle` gets Powertools' record of its kind (`.dynamodb`, `.kinesis`, `.body`). A failure is logged once, with
    the record's id and without its content. A batch in which everything failed is answered as such: the event
    source then splits and retries it, and sends what never works to the on-failure queue.
    """
    processor = BatchProcessor(event_type=_TYPES[kind], raise_on_entire_batch_failure=False)
    records = event["Records"]
    with processor(records, handle):
        outcomes = processor.process()
    for outcome, record in zip(outcomes, records, strict=True):
        if outcome[0] == "fail":
            _log_failure(record, str(outcome[1]))
    return processor.response()


def each_event(event: dict[str, Any], handle: Callable[[dict[str, Any]], object]) -> PartialItemFailureResponse:
    """Handle each event of the bus in a batch of a queue that a rule feeds, in the trace of what it tells of."""

    def of(record: Any) -> object:
        told = orjson.loads(record.body)
        detail = told["detail"]
        token = trace.current.set(trace.continue_trace(detail.get("traceparent"), detail.get("correlation_id")))
        try:
            return handle(told)
        finally:
            trace.current.reset(token)

    return each_record(event, of, kind="sqs")


def _log_failure(record: dict[str, Any], error: str) -> None:
    from gpubroker.messaging.log import logger

    logger().error("record failed", extra={"record": record.get("eventID") or record.get("messageId"), "error": error})
