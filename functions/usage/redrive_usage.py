"""By hand: what was set aside, to the aggregation again (docs/usage.md)."""

from typing import Any

from gpubroker.composition import usage as composition
from gpubroker.messaging.tasks import task


def redrive_usage(event: dict[str, Any]) -> dict[str, int]:
    return composition.usage_redrive().run()


handler = task(redrive_usage)
