"""From the queue of PricesUpdated: find the alerts that these changes fire, and start the workflow that fires them."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import alerts as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    matcher = composition.alert_matcher()
    return each_event(event, lambda told: matcher.on_prices_updated(told["detail"]))
