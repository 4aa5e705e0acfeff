"""From the bus, over a queue: what rentals tell, for their orders and transactions."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import management as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, composition.rental_orders().follow)
