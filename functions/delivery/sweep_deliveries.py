"""Each minute: deliveries that somebody was to move and did not."""

from dataclasses import asdict
from typing import Any

from gpubroker.composition import webhooks as composition
from gpubroker.messaging.tasks import task


def sweep_deliveries(event: dict[str, Any]) -> dict[str, int]:
    return asdict(composition.webhook_sweep().run())


handler = task(sweep_deliveries)
