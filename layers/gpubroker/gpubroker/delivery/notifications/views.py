"""Notifications as their users see them, and what a service is answered."""

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import Field

from gpubroker.delivery.notifications.devices import Device
from gpubroker.delivery.notifications.inbox import MOST_COUNTED, Notification
from gpubroker.delivery.notifications.notice import Channel, Kind
from gpubroker.delivery.notifications.preferences import Preferences
from gpubroker.delivery.notifications.requests import ChannelName
from gpubroker.kernel.schemas import View


class NotificationView(View):
    notification_id: str
    event_id: str = Field(description="of the fact that it tells of")
    kind: Literal["price_alert", "rental_status", "usage_threshold"]
    title: str
    text: str
    subject: dict[str, Any] = Field(description="what it is about: ids, and the offer of an alert")
    created_at: str
    read: bool

    @classmethod
    def of(cls, notification: Notification) -> Self:
        return cls.model_validate(asdict(notification))


class NotificationPage(View):
    notifications: list[NotificationView]
    unread: int = Field(description=f"of all, not of this page; counted up to {MOST_COUNTED}")
    next_cursor: str | None


class ReadAllView(View):
    marked: int = Field(description="how many were unread")


class PreferencesView(View):
    """Which kinds go by which channels."""

    price_alert: list[ChannelName]
    rental_status: list[ChannelName]
    usage_threshold: list[ChannelName]

    @classmethod
    def of(cls, wanted: Preferences) -> Self:
        return cls.model_validate(
            {kind.value: [channel.value for channel in Channel if channel in wanted[kind]] for kind in Kind}
        )


class DeviceView(View):
    device_id: str
    endpoint: str
    name: str | None
    created_at: str
    linked: bool = Field(description="SNS knows it; messages come once its endpoint has confirmed")

    @classmethod
    def of(cls, device: Device) -> Self:
        return cls.model_validate(asdict(device))


class DeviceList(View):
    devices: list[DeviceView]


class AcceptedView(View):
    """What a service's request leads to: `queued` for a channel by which the user is told (once), `off` for one that
    they, or the request, do not want; `unreachable` where the user has no verified address."""

    event_id: str
    user_id: str
    kind: Literal["price_alert", "rental_status"]
    channels: dict[ChannelName, Literal["queued", "off", "unreachable"]]
