"""From the bus, over a queue: facts that matter for compliance, into the audit log."""

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.composition import management as composition
from gpubroker.messaging.streams import each_event


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return each_event(event, composition.audit_desk().record)
