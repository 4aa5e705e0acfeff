"""Workflow step: the draft of one account's invoice, or the invoice that it has."""

from typing import Any

from gpubroker.billing.invoices.period import Period
from gpubroker.composition import invoices as composition
from gpubroker.messaging.tasks import task


def draft_invoice(event: dict[str, Any]) -> dict[str, Any]:
    invoice = composition.drafting().draft(event["account_id"], Period.parse(event["period"]))
    return event | {"invoice_id": invoice.invoice_id if invoice else None}


handler = task(draft_invoice)
