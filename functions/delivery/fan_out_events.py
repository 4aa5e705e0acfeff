"""From the bus, by a queue: each fact to all who listen"""

from typing import Any

import orjson
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gpubroker.composition import live as composition
from gpubroker.edge.socket_metrics import told
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tracing import traced


def _fact(record: SQSRecord) -> None:
    composition.socket_fan_out(told).fact(orjson.loads(record.body))


def fan_out_events(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_record(event, _fact, kind="sqs")


handler = traced(fan_out_events)
