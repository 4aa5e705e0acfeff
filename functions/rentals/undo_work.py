"""Workflow step: turn back, with the reason."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def undo_work(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().undo(WorkOn.of(event), event["error"])


handler = task(undo_work)
