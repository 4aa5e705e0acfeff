"""What price plans, discounts and credits tell; schemas and samples stand in events/billing/."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso

SOURCE = "billing"
INTERVENTION = "AdminIntervention"


def intervention(
    action: str,
    subject: str,
    *,
    by: str,
    reason: str | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    now: datetime,
) -> Event:
    """An administrator acted by hand. subject: the plan, promotion or account it was done to."""
    return Event(
        INTERVENTION,
        subject,
        {
            "action": action,
            "subject": subject,
            "by": by,
            "reason": reason or "",
            "before": None if before is None else dict(before),
            "after": None if after is None else dict(after),
            "at": iso(now),
        },
        occurred_at=now,
    )
