"""On the 1st of a month, and when an administrator asks: start the workflow of invoices, once."""

from typing import Any

from gpubroker.billing.invoices.runs import start
from gpubroker.messaging.tasks import task


def start_invoice_run(event: dict[str, Any]) -> dict[str, str]:
    return {"execution": start(event)}


handler = task(start_invoice_run)
