"""The topic of billing events (326): what a rental was charged, told once for each fact that rentals tell of it."""

from collections.abc import Mapping
from typing import Any

from gpubroker.billing import facts
from gpubroker.billing.plans.items import PlanItem
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.time import parse_iso
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import transaction

BILLING_EVENT = "BillingEvent"
EVENT_TYPES = {"RentalEnded": "rental_charged", "RentalFinalised": "rental_confirmed"}
"""rental_charged: a rental is over, and this is what it costs. rental_confirmed: the cost that was confirmed since."""


class _Told(Conflict):
    """It was told when the fact came the first time."""


def billing_event(told: Mapping[str, Any]) -> Event:
    """What billing tells of a rental's fact (an event of the bus). The fact's id makes the event's: there is one."""
    detail = told["detail"]
    data = detail["data"]
    return Event(
        BILLING_EVENT,
        detail["rental_id"],
        {
            "event_type": EVENT_TYPES[told["detail-type"]],
            "rental_id": detail["rental_id"],
            "user_id": detail["user_id"],
            "amount": data["final_cost"],
            "amount_micros": data["final_cost_micros"],
            "currency": data["currency"],
            "billed_by": data["billed_by"],
            "timestamp": detail["timestamp"],
        },
        id=named_id("evt", BILLING_EVENT, detail["event_id"]),
        occurred_at=parse_iso(detail["timestamp"]),
    )


def tell(told: Mapping[str, Any]) -> None:
    """Publish the billing event of a rental's fact; a second delivery tells nothing."""
    item = outbox_item(PlanItem, billing_event(told), source=facts.SOURCE)
    try:
        with transaction(PlanItem) as tx:
            tx.put(item, condition=type(item).pk.does_not_exist(), lost=_Told)
    except _Told:
        return
