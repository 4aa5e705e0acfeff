"""Workflow step: all is where it should be; settle and say so."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def conclude_work(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().conclude(WorkOn.of(event))


handler = task(conclude_work)
