"""From the queue of sums: a second look, when the metering has surely counted what moved them."""

from typing import Any

from gpubroker.composition import thresholds as composition
from gpubroker.messaging.streams import each_record
from gpubroker.messaging.tracing import traced
from gpubroker.usage.thresholds.later import read


def check_sums_again(event: dict[str, Any], context: Any) -> Any:
    checking = composition.threshold_checking()
    return each_record(event, lambda record: checking.again(read(record.body)), kind="sqs")


handler = traced(check_sums_again)
