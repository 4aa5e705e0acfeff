"""Workflow step: a similar offer for a member that could not be had."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def replace_member(event: dict[str, Any]) -> dict[str, Any]:
    return composition.rental_tasks().replace(WorkOn.of(event), event["member_id"], event["error"])


handler = task(replace_member)
