"""Thresholds and readings of the tests' making."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gpubroker.usage.thresholds.resources import Resource
from gpubroker.usage.thresholds.rules import Reading
from gpubroker.usage.thresholds.threshold import Kind, Threshold

NOW = datetime(2026, 7, 15, 14, 30, tzinfo=UTC)


def a_threshold(value: Any = 500, **changes: Any) -> Threshold:
    """The seed's: more than 500 GB of storage of user_123456."""
    made = Threshold(
        threshold_id="thr_01KSCN00000000000000000001",
        user_id="user_123456",
        resource=Resource.STORAGE,
        kind=Kind.ABSOLUTE,
        value=Decimal(str(value)),
        units="GB",
        action="notify",
        channels=("email", "api_callback"),
        created_at=NOW,
        created_by="usr_admin",
    )
    return replace(made, **changes)


def a_reading(seconds: float = 0, instance_id: str = "instance_abcdef", **metrics: Any) -> Reading:
    """Of a period of 30 s that ends so many seconds after NOW."""
    at = NOW + timedelta(seconds=seconds)
    amounts = {name: Decimal(str(value)) for name, value in metrics.items()}
    return Reading("user_123456", instance_id, at - timedelta(seconds=30), at, amounts)
