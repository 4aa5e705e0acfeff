"""From the queue of PushDeviceChanged: make SNS agree with what is wanted of a device."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications import devices
from gpubroker.messaging.streams import each_event


def _link(event: dict[str, Any]) -> str:
    return devices.link(event["detail"]["user_id"], event["detail"]["device_id"], composition.push())


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, _link)
