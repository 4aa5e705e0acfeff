"""Notifications as DynamoDB items.

<user>#INBOX            <notification id>  what was told; until its retention is over
<user>#UNREAD           <notification id>  there while the notification is unread
<user>#TOLD#<event id>  <channel>          what became of a fact on a channel
<user>#TELLING          PREFERENCES        which kinds go by which channels
<user>#DEVICES          <device id>        an endpoint for push
<user>#DEVICECOUNT      COUNT              how many there are

The user is the tenant.
"""

from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.storage.table import Item, Table


class NoticeItem(Item):
    """The one that names the table for transactions, outbox and idempotency too."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    event_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    title = UnicodeAttribute()
    text = UnicodeAttribute()
    subject: Any = JSONAttribute()
    created_at = UnicodeAttribute()


class UnreadItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"


class ToldItem(Item):
    """state: `sending` (until `until`, epoch seconds, nobody else sends), `sent` or `nowhere`."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    state = UnicodeAttribute()
    until = NumberAttribute(null=True)
    reference = UnicodeAttribute(null=True)


class PreferencesItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    channels: Any = JSONAttribute()


class DeviceItem(Item):
    """subscription: SNS's name of it, once it is subscribed. removing: it is to be unsubscribed, then forgotten."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    endpoint = UnicodeAttribute()
    name = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    subscription = UnicodeAttribute(null=True)
    removing = BooleanAttribute(default=False)


class DeviceCountItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    devices = NumberAttribute(default=0)
