"""Once a day: payouts that wait go into bank files."""

from typing import Any

from gpubroker.composition import settlement as composition
from gpubroker.management.settlement.findings import report
from gpubroker.messaging.tasks import task


def file_payouts(event: dict[str, Any]) -> dict[str, int]:
    return report(composition.payout_batch().run())


handler = task(file_payouts)
