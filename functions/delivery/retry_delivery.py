"""Workflow step: one more try of a delivery, and when the next one is."""

from typing import Any

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.steps import Ask
from gpubroker.messaging.tasks import task


def retry_delivery(event: dict[str, Any]) -> dict[str, Any]:
    return composition.webhook_attempts().again(Ask.read(event)).told()


handler = task(retry_delivery)
