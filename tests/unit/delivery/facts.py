"""Facts as the bus brings them. Those of prices are copies of what events/prices promises."""

from typing import Any

AT = "2026-05-24T10:00:00.000Z"


def _event(detail_type: str, source: str, detail: dict[str, Any], event_id: str) -> dict[str, Any]:
    envelope = {"event_id": event_id, "occurred_at": AT, "traceparent": None, "correlation_id": None}
    return {"detail-type": detail_type, "source": f"gpubroker.{source}", "detail": detail | envelope}


def update(offer_id: str = "vastai-1", **changes: Any) -> dict[str, Any]:
    return {
        "provider": "vastai",
        "offer_id": offer_id,
        "old_price": 2.0,
        "new_price": 1.85,
        "timestamp": AT,
        "old_price_micros": 2_000_000,
        "new_price_micros": 1_850_000,
        "new_price_micros_per_hour": 14_800_000,
        "change_percent": -7.5,
        "significant": True,
        "anomaly": False,
        "z_score": None,
        "gpu_type": "H100",
        "gpu_count": 8,
        "region": "us-east",
        "spot": False,
        "event_id": f"evt_01J00000000000000000000032.{offer_id}",
        "sequence": 7,
    } | changes


def prices_updated(*updates: dict[str, Any], event_id: str = "evt_prices") -> dict[str, Any]:
    return _event("PricesUpdated", "prices", {"updates": list(updates or (update(),))}, event_id)


def health_changed(provider: str = "vastai", kind: str = "unhealthy", event_id: str = "evt_health") -> dict[str, Any]:
    data = {"error": "ProviderUnavailable", "failures": 1, "offers": 12}
    detail = {"provider": provider, "event_type": kind, "data": data, "timestamp": AT}
    return _event("ProviderHealthChanged", "offers", detail, event_id)


def availability_changed(*changes: dict[str, Any], event_id: str = "evt_availability") -> dict[str, Any]:
    one = {
        "offer_id": "vastai-1",
        "was": "available",
        "now": "unlisted",
        "gpu_type": "H100",
        "gpu_count": 8,
        "region": None,
        "spot": False,
    }
    detail = {"provider": "vastai", "changes": [one | change for change in changes or ({},)], "timestamp": AT}
    return _event("AvailabilityChanged", "offers", detail, event_id)


def rental_event(
    kind: str = "RentalReady", *, rental_id: str = "ren_1", tenant: str = "usr_ada", event_id: str = "evt_rental"
) -> dict[str, Any]:
    detail = {
        "rental_id": rental_id,
        "user_id": tenant,
        "event_type": kind,
        "data": {"member_id": "m1"},
        "timestamp": AT,
    }
    return _event(kind, "rentals", detail, event_id)


def alert_triggered(
    *, tenant: str = "usr_ada", user: str = "usr_ada", channels: tuple[str, ...] = ("websocket",)
) -> dict[str, Any]:
    detail = {
        "alert_id": "alr_1",
        "user_id": user,
        "tenant": tenant,
        "channels": list(channels),
        "gpu_type": "A100",
        "region": None,
        "provider": None,
        "max_price": 1.5,
        "spot": None,
        "offer": {"offer_id": "vastai-1", "provider": "vastai", "price": 1.4, "price_micros": 1_400_000},
        "triggered_at": AT,
        "crossing": 1,
    }
    return _event("PriceAlertTriggered", "prices", detail, "evt_alert")
