"""Webhooks and their deliveries as DynamoDB items. Table keys, and why they are so: docs/webhooks.md.

<tenant>#WEBHOOK                        <webhook id>           the webhook, one JSON document
<tenant>#WEBHOOKS                       COUNT                  how many the tenant has
<tenant>#ENDPOINT                       <webhook id>           how its endpoint is doing
SUBSCRIBED#<event type>#<facet>         <webhook id>           who hears of a fact of the market
<tenant>#DELIVERY#<webhook id>          <delivery id>          a delivery and its body; gsi1 while it is open
<tenant>#LANE#<webhook id>#<subject>    <order>#<delivery id>  what of a subject is not over yet, in its order
"""

from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.delivery.webhooks.delivery import KEPT, Delivery
from gpubroker.delivery.webhooks.endpoint import SLOTS, Endpoint
from gpubroker.delivery.webhooks.webhook import Filters, Webhook
from gpubroker.kernel.time import parse_iso
from gpubroker.storage.due import DueIndex, DueItem
from gpubroker.storage.table import Item, Table


def webhook_pk(tenant: str) -> str:
    return f"{tenant}#WEBHOOK"


def delivery_pk(tenant: str, webhook_id: str) -> str:
    return f"{tenant}#DELIVERY#{webhook_id}"


def subscribed_pk(event_type: str, place: str) -> str:
    return f"SUBSCRIBED#{event_type}#{place}"


@cache
def _webhook_json() -> TypeAdapter[Webhook]:
    return TypeAdapter(Webhook)


@cache
def _delivery_json() -> TypeAdapter[Delivery]:
    return TypeAdapter(Delivery)


@cache
def _filters_json() -> TypeAdapter[Filters]:
    return TypeAdapter(Filters)


class WebhookItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    webhook = UnicodeAttribute()

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookItem":
        return cls(
            pk=webhook_pk(webhook.tenant),
            sk=webhook.webhook_id,
            version=webhook.version,
            webhook=_webhook_json().dump_json(webhook, exclude_none=True).decode(),
        )

    def value(self) -> Webhook:
        return _webhook_json().validate_json(self.webhook)


class CountItem(Item):
    """How many webhooks a tenant has, for a condition to look at."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    number = NumberAttribute(default=0)


class SubscribedItem(Item):
    """One webhook under one facet of one event type, with what fan-out needs to know of it."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    tenant = UnicodeAttribute()
    filters = UnicodeAttribute()
    ordered = NumberAttribute()
    held = NumberAttribute()

    @classmethod
    def of(cls, webhook: Webhook, event_type: str, place: str) -> "SubscribedItem":
        return cls(
            pk=subscribed_pk(event_type, place),
            sk=webhook.webhook_id,
            tenant=webhook.tenant,
            filters=_filters_json().dump_json(webhook.filters).decode(),
            ordered=int(webhook.ordered),
            held=int(not webhook.enabled),
        )

    def wanted(self) -> Filters:
        return _filters_json().validate_json(self.filters)


class EndpointItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    slot_0 = NumberAttribute(null=True)
    slot_1 = NumberAttribute(null=True)
    slot_2 = NumberAttribute(null=True)
    slot_3 = NumberAttribute(null=True)
    failures = NumberAttribute(null=True)
    failing_since = UnicodeAttribute(null=True)
    last_failure = UnicodeAttribute(null=True)
    day_first = UnicodeAttribute(null=True)
    resting_until = UnicodeAttribute(null=True)

    @classmethod
    def key(cls, tenant: str, webhook_id: str) -> "EndpointItem":
        return cls(pk=f"{tenant}#ENDPOINT", sk=webhook_id)

    @classmethod
    def slot(cls, number: int) -> Any:
        return getattr(cls, f"slot_{number}")

    def value(self) -> Endpoint:
        moments = ("failing_since", "last_failure", "day_first", "resting_until")
        return Endpoint(
            slots=tuple(int(getattr(self, f"slot_{number}") or 0) for number in range(SLOTS)),
            failures=int(self.failures or 0),
            **{name: parse_iso(found) if (found := getattr(self, name)) else None for name in moments},
        )


class DeliveryItem(DueItem):
    """Due while it is open, at the moment somebody must look at it next."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    due_name = "WEBHOOK_DUE"
    due = DueIndex()
    delivery = UnicodeAttribute()
    body = UnicodeAttribute()

    @classmethod
    def key(cls, delivery: Delivery) -> "DeliveryItem":
        return cls(pk=delivery_pk(delivery.tenant, delivery.webhook_id), sk=delivery.delivery_id)

    @classmethod
    def of(cls, delivery: Delivery, body: str) -> "DeliveryItem":
        item = cls.key(delivery)
        item.version = delivery.version
        item.expires_at = int((delivery.created_at + KEPT).timestamp())
        item.delivery, item.body = as_text(delivery), body
        if delivery.due_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(delivery.delivery_id, delivery.due_at)
        return item

    def value(self) -> Delivery:
        return _delivery_json().validate_json(self.delivery)


class LaneItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    delivery_id = UnicodeAttribute()

    @classmethod
    def of(cls, delivery: Delivery) -> "LaneItem":
        return cls(
            pk=lane_pk(delivery),
            sk=delivery.lane,
            expires_at=int((delivery.created_at + KEPT).timestamp()),
            delivery_id=delivery.delivery_id,
        )


def lane_pk(delivery: Delivery) -> str:
    return f"{delivery.tenant}#LANE#{delivery.webhook_id}#{delivery.subject}"


def as_text(delivery: Delivery) -> str:
    return _delivery_json().dump_json(delivery, exclude_none=True).decode()
