"""Devices: https endpoints that get a user's push messages.

A request writes what is wanted, and the fact that it is; the function behind the queue makes SNS agree (`link`). So
what callers touch stands inside the VPC, and no crash between the two leaves a device half made or half gone.
"""

from dataclasses import dataclass
from datetime import datetime

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from gpubroker.delivery.notifications.facts import SOURCE, device_changed
from gpubroker.delivery.notifications.items import DeviceCountItem, DeviceItem, NoticeItem
from gpubroker.delivery.notifications.ports import Push
from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.ids import stable_id
from gpubroker.kernel.time import iso
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import Writes, transaction

MOST_DEVICES = 10


class DeviceNotFound(NotFound):
    code = "device-not-found"
    title = "There is no such device"


class TooManyDevices(Conflict):
    code = "too-many-devices"
    title = "There are as many devices as there may be"


class _KnownAlready(Conflict):
    """The device was there before."""


@dataclass(frozen=True, slots=True)
class Device:
    """linked: SNS has been told of it. Messages come once its endpoint has confirmed the subscription."""

    device_id: str
    endpoint: str
    name: str | None
    created_at: str
    linked: bool


def add(user_id: str, endpoint: str, name: str | None, *, now: datetime) -> tuple[Device, bool]:
    """Register an endpoint, and whether it is new; the same endpoint is the same device. Raises TooManyDevices."""
    device_id = f"dev_{stable_id(user_id, endpoint)}"
    item = DeviceItem(_devices(user_id), device_id, endpoint=endpoint, name=name, created_at=iso(now), version=1)
    try:
        with transaction(NoticeItem) as tx:
            tx.put(item, condition=DeviceItem.pk.does_not_exist(), lost=_KnownAlready)
            room: Condition = DeviceCountItem.devices.does_not_exist() | (DeviceCountItem.devices < MOST_DEVICES)
            full = TooManyDevices(f"A user may have {MOST_DEVICES} devices. Remove one.")
            tx.update(_count(user_id), actions=[DeviceCountItem.devices.add(1)], condition=room, lost=full)
            _tell(tx, user_id, device_id)
        return _device(item), True
    except (_KnownAlready, TooManyDevices):
        known = _found(user_id, device_id)
        if known is None:
            raise
    if known.removing:  # wanted again before it was gone
        _change(known, user_id, DeviceItem.removing.set(False))
        return _device(known), True
    return _device(known), False


def remove(user_id: str, device_id: str) -> None:
    """Have a device forgotten; asking twice is harmless. Raises DeviceNotFound."""
    known = _found(user_id, device_id)
    if known is None:
        raise DeviceNotFound(f"There is no device {device_id}.")
    if known.removing:
        return
    _change(known, user_id, DeviceItem.removing.set(True))


def devices_of(user_id: str) -> list[Device]:
    """All of a user's devices, MOST_DEVICES at most."""
    return [_device(item) for item in DeviceItem.query(_devices(user_id), consistent_read=True) if not item.removing]


def link(user_id: str, device_id: str, push: Push) -> str:
    """Make SNS agree with what is wanted of a device now: `linked`, `unlinked`, or `agreed` already.

    Whatever comes twice or late finds the item as it is and does what that asks for. Raises StaleVersion when it
    changed meanwhile; the event comes again.
    """
    item = _found(user_id, device_id)
    if item is None:
        return "agreed"
    same: Condition = DeviceItem.version == item.version
    if item.removing:
        if item.subscription is not None:
            push.unsubscribe(item.subscription)
        with transaction(NoticeItem) as tx:
            tx.delete(item, condition=same)
            tx.update(_count(user_id), actions=[DeviceCountItem.devices.add(-1)])
        return "unlinked"
    if item.subscription is not None:
        return "agreed"
    subscription = push.subscribe(user_id, item.endpoint)
    with transaction(NoticeItem) as tx:
        tx.update(item, actions=[DeviceItem.subscription.set(subscription), DeviceItem.version.add(1)], condition=same)
    return "linked"


def _change(item: DeviceItem, user_id: str, action: Action) -> None:
    """Write what is wanted now, and the fact. Raises StaleVersion."""
    with transaction(NoticeItem) as tx:
        tx.update(item, actions=[action, DeviceItem.version.add(1)], condition=DeviceItem.version == item.version)
        _tell(tx, user_id, item.sk)


def _tell(tx: Writes, user_id: str, device_id: str) -> None:
    tx.put(outbox_item(NoticeItem, device_changed(user_id, device_id), source=SOURCE))


def _found(user_id: str, device_id: str) -> DeviceItem | None:
    try:
        return DeviceItem.get(_devices(user_id), device_id, consistent_read=True)
    except DoesNotExist:
        return None


def _device(item: DeviceItem) -> Device:
    return Device(item.sk, item.endpoint, item.name, item.created_at, item.subscription is not None)


def _devices(user_id: str) -> str:
    return f"{user_id}#DEVICES"


def _count(user_id: str) -> DeviceCountItem:
    return DeviceCountItem(f"{user_id}#DEVICECOUNT", "COUNT")
