"""From a queue: pieces of an audience, and what could not be posted at first"""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gpubroker.composition import live as composition
from gpubroker.edge.socket_metrics import told
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tracing import traced


def _piece(record: SQSRecord) -> None:
    composition.socket_fan_out(told).piece(record.body)


def post_messages(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_record(event, _piece, kind="sqs")


handler = traced(post_messages)
