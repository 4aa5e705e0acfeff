"""What is told of notifications; schemas and samples stand in events/delivery/. No fact carries an address."""

from typing import Any

from gpubroker.delivery.notifications.notice import Kind
from gpubroker.kernel.events import Event

SOURCE = "delivery"


def notification_requested(user_id: str, kind: Kind, about: dict[str, Any], *, requested_by: str) -> Event:
    """Another service asks that a user be told of something."""
    data = {"user_id": user_id, "kind": kind.value, "about": about, "requested_by": requested_by}
    return Event("NotificationRequested", user_id, data)


def device_changed(user_id: str, device_id: str) -> Event:
    """What is wanted of a device has changed; what it is now is in its item."""
    return Event("PushDeviceChanged", device_id, {"user_id": user_id, "device_id": device_id})
