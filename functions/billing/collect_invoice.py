"""Workflow step: what is due of an invoice, from credits, the balance or a card."""

from typing import Any

from gpubroker.billing.invoices.store import Where
from gpubroker.composition import invoices as composition
from gpubroker.messaging.tasks import task


def collect_invoice(event: dict[str, Any]) -> dict[str, Any]:
    invoice = composition.settling().collect(Where(event["account_id"], event["period"], event["invoice_id"]))
    return event | {"state": invoice.state.value}


handler = task(collect_invoice)
