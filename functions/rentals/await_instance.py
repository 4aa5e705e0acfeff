"""Workflow step with a task token: keep the token, and have the instance looked at until it is ready."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.tasks import WorkOn


def await_instance(event: dict[str, Any]) -> None:
    composition.rental_tasks().wait(WorkOn.of(event), event["member_id"], event["task_token"])


handler = task(await_instance)
