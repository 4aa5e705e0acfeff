"""From the bus, over a queue: what facts add to the platform's economic metrics, each once."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import economics as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, composition.economics_desk().follow)
