"""Each minute: settlements that are overdue, and bank files that nobody has confirmed."""

from typing import Any

from gpubroker.composition import settlement as composition
from gpubroker.management.settlement.findings import report
from gpubroker.messaging.tasks import task


def sweep_settlements(event: dict[str, Any]) -> dict[str, int]:
    return report(composition.settlement_sweep().run())


handler = task(sweep_settlements)
