"""From the queue of looks: ask a provider about an instance that a workflow waits for."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import rentals as composition
from gpubroker.messaging.streams import each_record
from gpubroker.rentals import looks


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    tasks = composition.rental_tasks()
    return each_record(event, lambda record: tasks.look(looks.read(record.body)), kind="sqs")
