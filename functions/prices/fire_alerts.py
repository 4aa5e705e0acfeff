"""Step of price_change_to_notifications: fire one page of alerts."""

from typing import Any

from gpubroker.composition import alerts as composition
from gpubroker.messaging.tasks import task


def fire_alerts(event: dict[str, Any]) -> dict[str, int]:
    return composition.alert_firing().step(event)


handler = task(fire_alerts)
