"""From a fact on the bus to the messages that subscribers are sent. Pure, and the same every time.

A bus event may come twice, and in between a subscriber may change its filters: so an event is cut into parts first,
by itself alone, and filters choose within a part. The id of a message is made of event, part and webhook.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gpubroker.delivery.webhooks.webhook import Facets, Filters
from gpubroker.kernel.ids import new_id, stable_id
from gpubroker.kernel.time import parse_iso

LARGEST_BODY = 20_000
"""Bytes (Standard Webhooks recommends less than 20 kB)."""
_ITEMS_BYTES = 18_000
"""What the items of one message take together; the envelope around them has the rest."""

_KINDS = {
    "PriceChangesDetected": ("price_change", "changes"),
    "PriceAnomaliesDetected": ("price_anomaly", "anomalies"),
    "PriceAlertTriggered": ("price_alert", None),
    "ProviderHealthChanged": ("provider_health", None),
    "ThresholdCrossed": ("usage_threshold", None),
}
_SOURCES = frozenset({"gpubroker.prices", "gpubroker.offers", "gpubroker.rentals", "gpubroker.usage"})
_TOLD_BY_THE_RELAY = ("event_id", "occurred_at", "traceparent", "correlation_id")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened. order: sorts the items of a subject."""

    data: dict[str, Any]
    facets: Facets
    subject: str
    order: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A bus event as subscribers see it.

    tenant  whose it is; None for what everybody may hear
    key     under which a message lists its items; None for an event that is one item
    """

    event_id: str
    type: str
    occurred_at: datetime
    timestamp: str
    tenant: str | None
    key: str | None
    items: tuple[Item, ...]
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """Items that travel together. label: names the part in the message's id; subject and order: of ordered ones."""

    label: str
    items: tuple[Item, ...]
    subject: str
    order: str
    number: int
    parts: int


def read(event: dict[str, Any]) -> Fact | None:
    """What subscribers are told of a bus event; None for an event that is not for them.

    Raises KeyError, TypeError or ValueError for an event that is not what its schema says.
    """
    detail, kind = event["detail"], event["detail-type"]
    if event["source"] not in _SOURCES:
        return None
    tenant: str | None = None
    if kind.startswith("Rental"):
        name, key, tenant = "rental_status", None, str(detail["user_id"])
    elif kind in _KINDS:
        name, key = _KINDS[kind]
    else:
        return None
    if name == "price_alert":
        if "webhook" not in detail["channels"]:
            return None  # its owner chose other channels for this alert
        tenant = str(detail["tenant"])
    elif name == "usage_threshold":
        if detail["action"] == "log" or "api_callback" not in detail["channels"]:
            return None  # whoever made the threshold chose other channels
        # A threshold with an address of its own is the owner of that address (composition/thresholds.py).
        tenant = str(detail["threshold_id"] if detail["callback"] else detail["user_id"])
    items = tuple(_change(told) for told in detail[key]) if key else (_whole(name, detail),)
    return Fact(
        event_id=str(detail["event_id"]),
        type=name,
        occurred_at=parse_iso(detail["occurred_at"]),
        timestamp=str(detail["occurred_at"]),
        tenant=tenant,
        key=key,
        items=items,
        traceparent=detail.get("traceparent"),
    )


def _change(told: dict[str, Any]) -> Item:
    facets = Facets(str(told["gpu_type"]), str(told["provider"]), told.get("region") or "")
    return Item(told, facets, f"offer:{told['offer_id']}", f"{int(told['sequence']):020d}")


def _whole(name: str, detail: dict[str, Any]) -> Item:
    data = {key: value for key, value in detail.items() if key not in (*_TOLD_BY_THE_RELAY, "tenant")}
    order = str(detail["occurred_at"])
    if name == "rental_status":
        return Item(data, Facets(), f"rental:{detail['rental_id']}", order)
    if name == "usage_threshold":
        return Item(data, Facets(), f"threshold:{detail['threshold_id']}", order)
    if name == "provider_health":
        return Item(data, Facets(provider=str(detail["provider"])), f"provider:{detail['provider']}", order)
    offer = detail["offer"]
    facets = Facets(str(offer["gpu_type"]), str(offer["provider"]), offer.get("region") or "")
    return Item(data, facets, f"alert:{detail['alert_id']}", order)


def parts_of(fact: Fact, *, ordered: bool) -> list[Part]:
    """The parts of an event: as many items as fit, in their order; for who wants order, those of one subject."""
    groups: dict[str, list[Item]] = {}
    if ordered:
        for item in sorted(fact.items, key=lambda item: item.order):
            groups.setdefault(item.subject, []).append(item)
    else:
        groups[""] = list(fact.items)
    runs = [(subject, number, run) for subject, items in groups.items() for number, run in enumerate(_runs(items))]
    return [
        Part(f"{subject}.{number}", tuple(run), subject, run[0].order, place, len(runs))
        for place, (subject, number, run) in enumerate(runs, 1)
    ]


def _runs(items: list[Item]) -> Iterator[list[Item]]:
    run: list[Item] = []
    size = 0
    for item in items:
        more = len(orjson.dumps(item.data)) + 1
        if run and size + more > _ITEMS_BYTES:
            yield run
            run, size = [], 0
        run.append(item)
        size += more
    if run:
        yield run


def chosen(part: Part, filters: Filters) -> list[Item]:
    """The items of a part that a subscriber wants."""
    return [item for item in part.items if filters.match(item.facets)]


def body_of(fact: Fact, part: Part, items: list[Item]) -> str:
    """The body as it is signed and sent, at most 20 kB."""
    data = {fact.key: [item.data for item in items]} if fact.key else items[0].data
    envelope = {
        "type": fact.type,
        "timestamp": fact.timestamp,
        "event_id": fact.event_id,
        "part": part.number,
        "parts": part.parts,
        "data": data,
    }
    text = orjson.dumps(envelope)
    return (text if len(text) < LARGEST_BODY else orjson.dumps(_shortened(envelope))).decode()


def _shortened(envelope: dict[str, Any]) -> dict[str, Any]:
    """An event that is too large in one piece, without its longest lists: `truncated` names them, the API has them."""
    data = dict(envelope["data"])
    inner = dict(data["data"]) if isinstance(data.get("data"), dict) else data
    dropped: list[str] = []
    while len(orjson.dumps({**envelope, "data": {**data, "data": inner}})) >= LARGEST_BODY - 500 and inner:
        longest = max(inner, key=lambda name: len(orjson.dumps(inner[name])))
        inner = {name: value for name, value in inner.items() if name != longest}
        dropped.append(longest)
    told = {**data, "data": inner} if isinstance(data.get("data"), dict) else inner
    return {**envelope, "data": told, "truncated": dropped}


def message_id(event_id: str, occurred_at: datetime, label: str, webhook_id: str) -> str:
    """The `webhook-id`: a ULID of the event's moment whose other half is made of what the message is, so that it sorts
    by time and the same message always has the same."""
    half = base64.b32decode(stable_id(event_id, label, webhook_id)[:16].upper())
    return _id(occurred_at, half)


def first_id_since(moment: datetime) -> str:
    """Sorts before every message of an event at `moment` or later."""
    return _id(moment, bytes(10))[: len("msg_") + 10]


def _id(moment: datetime, half: bytes) -> str:
    return new_id("msg", now_ms=lambda: round(moment.timestamp() * 1000), randomness=lambda size: half)
