"""Each minute: holds that are past their end are released."""

from typing import Any

from gpubroker.composition import books as composition
from gpubroker.ledger.jobs import report_sweep
from gpubroker.messaging.tasks import task


def release_holds(event: dict[str, Any]) -> dict[str, int]:
    return report_sweep(composition.release_expired())


handler = task(release_holds)
