"""On RentalRequested, RentalScaling and RentalEnding: start the workflow, once."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task


def start_workflow(event: dict[str, Any]) -> dict[str, Any]:
    return composition.workflow_starter().on_event(event)


handler = task(start_workflow)
