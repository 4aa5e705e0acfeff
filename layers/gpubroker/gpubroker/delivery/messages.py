"""Facts as subscribers read them: one JSON object a message, in the seed's shapes.

    {"type": "price_update", "provider": "vastai", "offer_id": ..., "old_price": 2.0, "new_price": 1.85, ...}
    {"type": "health_status", "provider": "vastai", "status": "unhealthy", "data": {...}, "timestamp": ...}
    {"type": "availability", "provider": "vastai", "offer_id": ..., "was": "available", "availability": "gone", ...}
    {"type": "rental_status", "rental_id": ..., "status": "ready", "health": "healthy", "utilization": null, ...}
    {"type": "price_alert", "alert_id": ..., "offer": {...}, "triggered_at": ..., ...}

Public messages get a `sequence` besides, when they are written into the log (public_log.py). All carry the `event_id`
of their fact: the same fact delivered twice is the same message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpubroker.delivery.channels import regions_of

Body = dict[str, Any]

_KIND_OF = {"price_update": "price_updates", "health_status": "health_status", "availability": "availability"}
_ENVELOPE = ("event_id", "occurred_at", "traceparent", "correlation_id")
_LOST = ("RentalMemberLost",)


@dataclass(frozen=True, slots=True)
class Private:
    """A message to one tenant's channels."""

    tenant: str
    channels: tuple[str, ...]
    body: Body


def public_messages(detail_type: str, detail: Mapping[str, Any]) -> list[Body]:
    """The messages of a public fact, in its order; empty for a fact that nobody listens to."""
    match detail_type:
        case "PricesUpdated":
            return [_price_update(update) for update in detail["updates"]]
        case "ProviderHealthChanged":
            return [
                {
                    "type": "health_status",
                    "provider": detail["provider"],
                    "status": detail["event_type"],
                    "data": detail["data"],
                    "timestamp": detail["timestamp"],
                    "event_id": detail["event_id"],
                }
            ]
        case "AvailabilityChanged":
            head = {"type": "availability", "provider": detail["provider"]}
            tail = {"timestamp": detail["timestamp"], "event_id": detail["event_id"]}
            return [head | _availability(change) | tail for change in detail["changes"]]
        case _:
            return []


def _price_update(update: Mapping[str, Any]) -> Body:
    told = {name: value for name, value in update.items() if name != "sequence"}
    # The update's own sequence counts the prices of one offer; `sequence` of a message counts all messages.
    return {"type": "price_update", **told, "offer_sequence": update.get("sequence")}


def _availability(change: Mapping[str, Any]) -> Body:
    told = {name: value for name, value in change.items() if name != "now"}
    return {**told, "availability": change["now"]}


def channels_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The public channels that a public message belongs to, as subscriptions spell them."""
    found = [_KIND_OF[body["type"]], f"provider:{body['provider']}"]
    if gpu := body.get("gpu_type"):
        found.append(f"gpu:{gpu}")
    found += [f"region:{region}" for region in regions_of(body.get("region"))]
    return tuple(found)


def private_message(detail_type: str, detail: Mapping[str, Any], rental: Mapping[str, Any] | None) -> Private | None:
    """The message of a private fact; None when nobody is to hear of it over a socket.

    rental: how the rental of a Rental* fact stands now (see `rental_status`), None when it cannot be told.
    """
    if detail_type == "PriceAlertTriggered":
        if "websocket" not in detail["channels"]:
            return None
        body = {name: value for name, value in detail.items() if name not in (*_ENVELOPE, "channels", "tenant")}
        told = {"type": "price_alert", **body, "timestamp": detail["triggered_at"], "event_id": detail["event_id"]}
        return Private(detail["tenant"], ("alerts", f"agent:{detail['user_id']}"), told)
    if detail_type.startswith("Rental"):
        kind = "rental_health" if detail_type in _LOST else "rental_status"
        told = {
            **rental_status(detail["rental_id"], rental, kind=kind),
            "event": detail["event_type"],
            "data": detail["data"],
            "timestamp": detail["timestamp"],
            "event_id": detail["event_id"],
        }
        return Private(detail["user_id"], (f"rental:{detail['rental_id']}",), told)
    return None


def rental_status(rental_id: str, rental: Mapping[str, Any] | None, *, kind: str = "rental_status") -> Body:
    """A rental as it stands: status, health and utilisation of the whole and of each member; null is not known."""
    unknown: Body = {"status": None, "health": None, "utilization": None, "members": []}
    return {"type": kind, "rental_id": rental_id, **(rental or unknown)}
