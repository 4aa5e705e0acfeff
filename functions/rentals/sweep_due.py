"""Each minute: rentals whose time is up, and work that has died."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.findings import report


def sweep_due(event: dict[str, Any]) -> dict[str, int]:
    return report(composition.due_sweep().run())


handler = task(sweep_due)
