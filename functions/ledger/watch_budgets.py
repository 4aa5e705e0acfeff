"""From the table's stream: the counters of budgets, as they rise."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import accounts as composition
from gpubroker.messaging.streams import each_record


def _watch(record: Any) -> list[int]:
    change = record.dynamodb
    return composition.budget_alerts().on_rise(
        change.keys["pk"], change.keys["sk"], _used(change.old_image), _used(change.new_image)
    )


def _used(image: dict[str, Any] | None) -> int:
    return int((image or {}).get("used", 0))


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_record(event, _watch, kind="dynamodb")
