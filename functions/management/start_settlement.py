"""On SettlementRequested: start the workflow, once."""

from typing import Any

from gpubroker.composition import settlement as composition
from gpubroker.messaging.tasks import task


def start_settlement(event: dict[str, Any]) -> dict[str, Any]:
    return composition.settlement_starter().on_event(event)


handler = task(start_settlement)
