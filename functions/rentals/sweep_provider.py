"""Every few minutes, for one provider: orphans are ended, ghosts are marked."""

from typing import Any

from gpubroker.composition import rentals as composition
from gpubroker.messaging.tasks import task
from gpubroker.rentals.findings import report


def sweep_provider(event: dict[str, Any]) -> dict[str, int]:
    return report(composition.provider_sweep().run(event["provider"]), provider=event["provider"])


handler = task(sweep_provider)
