"""Each minute: totals of users and organisations that are due."""

from typing import Any

from gpubroker.composition import usage as composition
from gpubroker.messaging.tasks import task


def make_totals(event: dict[str, Any]) -> dict[str, int]:
    return composition.usage_totals().sweep()


handler = task(make_totals)
