"""From the queue of facts: a rental's completed transaction is settled, what its confirmed cost saves is given back."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import settlement as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    follower = composition.settlement_follower()
    return each_event(event, follower.on_event)
