"""Each minute: payments whose end is not known, asked about at the processor."""

from typing import Any

from gpubroker.composition import payments as composition
from gpubroker.messaging.tasks import task


def sweep_payments(event: dict[str, Any]) -> dict[str, int]:
    return composition.cashier().sweep().counts


handler = task(sweep_payments)
