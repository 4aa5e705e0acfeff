"""What is told of alerts: PriceAlertTriggered, once per crossing. Its schema and sample stand in events/prices/."""

from datetime import datetime

from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.prices.alerts.alert import Alert, Quote

SOURCE = "prices"


def triggered(alert: Alert, quote: Quote, *, sequence: int, now: datetime) -> Event:
    """That an offer fired an alert (`alert` as it is afterwards). Its id is made of what it tells, so that one change
    of an offer can be told of an alert once, whoever tells it: the outbox takes an id once."""
    return Event(
        "PriceAlertTriggered",
        alert.alert_id,
        {
            "alert_id": alert.alert_id,
            "user_id": alert.user_id,
            "tenant": alert.tenant,
            "channels": list(alert.channels),
            "gpu_type": alert.selector.gpu_type,
            "region": alert.selector.region,
            "provider": alert.selector.provider,
            "max_price": usd(alert.max_price_micros),
            "spot": alert.selector.spot,
            "offer": {
                "offer_id": quote.offer_id,
                "provider": quote.provider,
                "price": usd(quote.price_micros),
                "price_micros": quote.price_micros,
                "gpu_type": quote.gpu_type,
                "gpu_count": quote.gpu_count,
                "region": quote.region,
                "spot": quote.spot,
            },
            "triggered_at": iso(now),
            "crossing": alert.crossings,
        },
        id=named_id("evt", "PriceAlertTriggered", alert.alert_id, quote.offer_id, sequence),
        occurred_at=now,
    )
