"""A rental has ended: what of it was charged and is not counted, into the usage stream."""

from typing import Any

from gpubroker.composition import usage as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> Any:
    return each_event(event, lambda told: composition.meter_ended(told["detail"]))
