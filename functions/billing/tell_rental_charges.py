"""On RentalEnded and RentalFinalised: what the rental was charged, as a billing event."""

from typing import Any

from gpubroker.billing.rental_charges import tell
from gpubroker.messaging.streams import each_event
from gpubroker.messaging.tasks import task


def tell_rental_charges(event: dict[str, Any]) -> Any:
    return each_event(event, tell)


handler = task(tell_rental_charges)
