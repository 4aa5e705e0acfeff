"""Workflow step: a page of the accounts that have something to bill."""

from typing import Any

from gpubroker.composition import invoices as composition
from gpubroker.messaging.tasks import task


def plan_invoices(event: dict[str, Any]) -> dict[str, Any]:
    return composition.plan().page(event)


handler = task(plan_invoices)
