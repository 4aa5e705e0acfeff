"""The outbox: a fact is written in the transaction of its writer, and leaves through the table's stream.

So a fact is published if and only if its write took effect, also when the process dies between the two
(DESIGN §1, §3; R12.6). The relay (messaging/relay.py) reads the stream; the item itself is kept a week for
reading, and its key makes the same event a single item.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

import orjson
from pynamodb.attributes import UnicodeAttribute

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso
from gpubroker.storage.table import Item, Table

PREFIX = "OUTBOX#"
KEPT = timedelta(days=7)

Target = Literal["bus", "prices"]


def outbox_item(model: type[Item], event: Event, *, source: str, target: Target = "bus") -> Item:
    """The item to put in the writer's transaction, in the table of the writer's `model`.

    target `bus` is EventBridge; `prices` is the Kinesis stream of price changes, for which `event.data["records"]`
    is a list of records (one event may carry many changes of one sync).
    """
    entry = _entry_of(model.Meta.env)  # type: ignore[attr-defined]
    return entry(
        pk=PREFIX + event.id,
        sk="EVENT",
        expires_at=int((datetime.now(UTC) + KEPT).timestamp()),
        event=encode(event, source=source, target=target),
    )


def encode(event: Event, *, source: str, target: Target) -> str:
    """The envelope as JSON text."""
    return orjson.dumps(
        {
            "id": event.id,
            "type": event.type,
            "subject": event.subject,
            "source": f"gpubroker.{source}",
            "target": target,
            "occurred_at": iso(event.occurred_at),
            "traceparent": event.traceparent,
            "correlation_id": event.correlation_id,
            "data": event.data,
        }
    ).decode()


def decode(image: dict[str, Any]) -> dict[str, Any] | None:
    """The envelope in a stream record's new image (DynamoDB JSON); None when the item is no outbox entry."""
    if not image.get("pk", {}).get("S", "").startswith(PREFIX):
        return None
    envelope: dict[str, Any] = orjson.loads(image["event"]["S"])
    return envelope


@cache
def _entry_of(table: str) -> type[Item]:
    """The outbox model of one context's table."""

    class OutboxItem(Item):
        class Meta(Table):
            env = table

        event = UnicodeAttribute()

    return OutboxItem
