"""From the queue of UserRegistered: the account of a user who has registered."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import accounts as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, composition.registration().on_event)
