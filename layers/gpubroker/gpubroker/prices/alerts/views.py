"""Alerts as their owners see them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.prices.alerts.alert import Alert
from gpubroker.prices.alerts.requests import Channel


class TriggerView(View):
    """What fired the alert last."""

    offer_id: str
    price: float = Field(description="USD per GPU-hour")
    price_micros: int
    triggered_at: str


class AlertView(View):
    """An alert. `max_price` is USD per GPU-hour."""

    alert_id: str
    status: Literal["active", "paused", "expired"]
    gpu_type: str
    region: str | None
    provider: str | None
    spot: bool | None
    max_price: float
    max_price_micros: int
    cooldown_seconds: int
    channels: list[Channel]
    created_at: str
    expires_at: str | None
    crossings: int = Field(description="how often it has fired")
    last_triggered_at: str | None
    last_trigger: TriggerView | None = Field(description="null again once the alert is armed anew by its owner")

    @classmethod
    def of(cls, alert: Alert, now: datetime) -> "AlertView":
        hold, selector = alert.hold, alert.selector
        return cls.model_validate(
            {
                "alert_id": alert.alert_id,
                "status": "expired" if alert.expired(now) else "paused" if alert.paused else "active",
                "gpu_type": selector.gpu_type,
                "region": selector.region,
                "provider": selector.provider,
                "spot": selector.spot,
                "max_price": usd(alert.max_price_micros),
                "max_price_micros": alert.max_price_micros,
                "cooldown_seconds": alert.cooldown_seconds,
                "channels": list(alert.channels),
                "created_at": iso(alert.created_at),
                "expires_at": iso(alert.expires_at) if alert.expires_at else None,
                "crossings": alert.crossings,
                "last_triggered_at": iso(alert.last_fired_at) if alert.last_fired_at else None,
                "last_trigger": hold
                and {
                    "offer_id": hold.offer_id,
                    "price": usd(hold.price_micros),
                    "price_micros": hold.price_micros,
                    "triggered_at": iso(hold.fired_at),
                },
            }
        )


class AlertPage(View):
    alerts: list[AlertView]
    next_cursor: str | None
