"""Workflow step: make a member's instance, or find the one that was made."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def create_instance(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().create(WorkOn.of(event), event["member_id"])


handler = task(create_instance)
