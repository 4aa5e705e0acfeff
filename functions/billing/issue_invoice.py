"""Workflow step: a draft's number."""

from typing import Any

from gpubroker.billing.invoices.store import Where
from gpubroker.composition import invoices as composition
from gpubroker.messaging.tasks import task


def issue_invoice(event: dict[str, Any]) -> dict[str, Any]:
    invoice = composition.settling().issue(Where(event["account_id"], event["period"], event["invoice_id"]))
    return event | {"state": invoice.state.value}


handler = task(issue_invoice)
