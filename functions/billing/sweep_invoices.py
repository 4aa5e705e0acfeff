"""Every five minutes: invoices whose collection was cut off, that fall due, or may be tried again."""

from typing import Any

from gpubroker.composition import invoices as composition
from gpubroker.messaging.tasks import task


def sweep_invoices(event: dict[str, Any]) -> dict[str, int]:
    return composition.settling().sweep()


handler = task(sweep_invoices)
