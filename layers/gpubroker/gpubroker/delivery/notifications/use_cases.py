"""What users may do with their notifications, and what services may ask for."""

from collections.abc import Callable
from typing import Any

from gpubroker.delivery.notifications import devices, facts, preferences
from gpubroker.delivery.notifications.inbox import Inbox
from gpubroker.delivery.notifications.items import NoticeItem
from gpubroker.delivery.notifications.notice import Channel, Kind
from gpubroker.delivery.notifications.ports import Addresses
from gpubroker.delivery.notifications.requests import (
    DeviceRequest,
    PreferencesRequest,
    PriceAlertNotice,
    RentalStatusNotice,
)
from gpubroker.delivery.notifications.views import (
    AcceptedView,
    DeviceList,
    DeviceView,
    NotificationPage,
    NotificationView,
    PreferencesView,
    ReadAllView,
)
from gpubroker.delivery.notifications.wording import notice_of
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import NotFound
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import AlreadyDone, transaction


class UserNotFound(NotFound):
    code = "user-not-found"
    title = "There is no such user"


class NotificationDesk:
    def __init__(self, *, inbox: Inbox, addresses: Addresses, clock: Clock):
        self._inbox, self._addresses, self._clock = inbox, addresses, clock

    # ------------------------------------------------------------ users

    def page_of(self, caller: Caller, limit: int, before: str | None) -> tuple[NotificationPage, str | None]:
        """One page and the notification id that the next begins before (None on the last)."""
        now = self._clock()
        found = self._inbox.newest_of(caller.tenant, limit + 1, now=now, before=before)
        position = found[limit - 1].notification_id if len(found) > limit else None
        page = NotificationPage(
            notifications=[NotificationView.of(one) for one in found[:limit]],
            unread=self._inbox.unread(caller.tenant, now=now),
            next_cursor=None,
        )
        return page, position

    def read(self, caller: Caller, notification_id: str) -> NotificationView:
        return NotificationView.of(self._inbox.read(caller.tenant, notification_id, now=self._clock()))

    def read_all(self, caller: Caller) -> ReadAllView:
        return ReadAllView(marked=self._inbox.read_all(caller.tenant))

    def preferences_of(self, caller: Caller) -> PreferencesView:
        return PreferencesView.of(preferences.preferences_of(caller.tenant))

    def prefer(self, caller: Caller, wanted: PreferencesRequest) -> PreferencesView:
        preferences.save(caller.tenant, wanted.preferences())
        return PreferencesView.of(wanted.preferences())

    def add_device(self, caller: Caller, wanted: DeviceRequest) -> tuple[DeviceView, bool]:
        """The device, and whether it is new. Raises TooManyDevices."""
        device, fresh = devices.add(caller.tenant, wanted.endpoint, wanted.name, now=self._clock())
        return DeviceView.of(device), fresh

    def devices_of(self, caller: Caller) -> DeviceList:
        return DeviceList(devices=[DeviceView.of(device) for device in devices.devices_of(caller.tenant)])

    def remove_device(self, caller: Caller, device_id: str) -> None:
        devices.remove(caller.tenant, device_id)

    # ------------------------------------------------------------ services

    def price_alert(self, caller: Caller, wanted: PriceAlertNotice, idempotency: Idempotency | None) -> AcceptedView:
        return self._accepted(caller, wanted.user_id, Kind.PRICE_ALERT, wanted.about, idempotency)

    def rental_status(
        self, caller: Caller, wanted: RentalStatusNotice, idempotency: Idempotency | None
    ) -> AcceptedView:
        return self._accepted(caller, wanted.user_id, Kind.RENTAL_STATUS, wanted.about, idempotency)

    def _accepted(
        self,
        caller: Caller,
        user_id: str,
        kind: Kind,
        about: Callable[[], dict[str, Any]],
        idempotency: Idempotency | None,
    ) -> AcceptedView:
        """Have a user told, by the way that every notice goes. Raises UserNotFound.

        The same key and body is one notice; without a key each request is one.
        """
        address = self._addresses.address_of(user_id)
        if address is None:
            raise UserNotFound(f"There is no user {user_id}.")
        event = facts.notification_requested(user_id, kind, about(), requested_by=caller.subject)
        allowed = _notice_channels(event)
        wanted = preferences.preferences_of(user_id)[kind]

        def prospect(channel: Channel) -> str:
            if channel not in allowed & wanted:
                return "off"
            return "unreachable" if channel is Channel.EMAIL and not address.verified else "queued"

        answer = {
            "event_id": event.id,
            "user_id": user_id,
            "kind": kind.value,
            "channels": {channel.value: prospect(channel) for channel in Channel},
        }
        try:
            with transaction(NoticeItem) as tx:
                stored.remember(tx, NoticeItem, idempotency, answer)
                tx.put(outbox_item(NoticeItem, event, source=facts.SOURCE))
        except AlreadyDone:
            if idempotency is None:
                raise
            answer = stored.replay(NoticeItem, idempotency)
        return AcceptedView.model_validate(answer)


def _notice_channels(event: Event) -> frozenset[Channel]:
    """What the notice will go by: made as it will be made, so a request that cannot be put into words fails now."""
    return notice_of({"detail-type": event.type, "detail": event.data | {"event_id": event.id}}).channels
