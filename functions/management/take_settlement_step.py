"""Workflow step: the one that the event names."""

from typing import Any

from gpubroker.composition import settlement as composition
from gpubroker.messaging.tasks import task


def take_settlement_step(event: dict[str, Any]) -> dict[str, str]:
    return composition.settlement_steps().take(event)


handler = task(take_settlement_step)
