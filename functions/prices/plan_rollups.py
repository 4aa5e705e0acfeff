"""Every quarter of an hour: what has to be rolled up goes to the queue, a period of one GPU type a message."""

from typing import Any

from gpubroker.kernel.time import utc_now
from gpubroker.messaging.tasks import task
from gpubroker.prices.history.jobs import queued
from gpubroker.prices.history.rollups import due


def plan_rollups(event: dict[str, Any]) -> dict[str, int]:
    return {"queued": queued(due(utc_now()))}


handler = task(plan_rollups)
