"""From the queue of facts that users are told of: by the inbox, mail and push, each once."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import notifications as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, composition.teller().on_event)
