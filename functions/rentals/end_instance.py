"""Workflow step: end whatever a provider has of a member, and see that it is gone."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def end_instance(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().end(WorkOn.of(event), event["member_id"])


handler = task(end_instance)
