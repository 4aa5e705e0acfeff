"""What the metering has counted over a period (usage.thresholds.ports.Totals)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal


class CountedTotals:
    def of(self, user_id: str, instance_id: str | None, start: datetime, end: datetime) -> Mapping[str, Decimal]:
        raise NotImplementedError("waits for the reading of usage")
