"""Alerts and changes for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gpubroker.kernel.time import iso
from gpubroker.prices.alerts.alert import CHANNELS, Alert, Change, Selector

NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def an_alert(**more: Any) -> Alert:
    """An alert for an A100 at $1.50 anywhere, without a cooldown, made at NOW."""
    selector = Selector(
        gpu_type=more.pop("gpu_type", "A100"),
        region=more.pop("region", None),
        regions=more.pop("regions", ()),
        provider=more.pop("provider", None),
        spot=more.pop("spot", None),
    )
    alert = Alert(
        alert_id="alr_01KSCN0000000000000000000A",
        tenant="usr_ada",
        user_id="usr_ada",
        selector=selector,
        max_price_micros=1_500_000,
        cooldown_seconds=0,
        channels=CHANNELS,
        created_at=NOW,
        since=NOW,
    )
    return replace(alert, **more)


def an_update(old: int, new: int, *, sequence: int = 1, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """An update of PricesUpdated.v1, prices in micro-USD."""
    return {
        "provider": "vastai",
        "offer_id": "vastai-x",
        "old_price": old / 1e6,
        "new_price": new / 1e6,
        "timestamp": iso(at or after(minutes=1)),
        "old_price_micros": old,
        "new_price_micros": new,
        "new_price_micros_per_hour": new,
        "change_percent": round((new - old) / old * 100, 3),
        "significant": abs(new - old) > 0.05 * old,
        "anomaly": False,
        "z_score": None,
        "gpu_type": "A100",
        "gpu_count": 1,
        "region": "us-east",
        "spot": False,
        "event_id": f"evt_01KSCN0000000000000000000{sequence % 10}.0",
        "sequence": sequence,
    } | more


def a_change(old: int, new: int, **more: Any) -> Change:
    return Change.of(an_update(old, new, **more))
