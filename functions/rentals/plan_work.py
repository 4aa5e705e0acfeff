"""Workflow step: what is to be done for this operation, with the offer read again."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def plan_work(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().plan(WorkOn.of(event))


handler = task(plan_work)
