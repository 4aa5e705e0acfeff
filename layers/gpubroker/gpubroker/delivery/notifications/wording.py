"""From facts to notices: what each one says. Raises KeyError on a fact that says nothing to its user."""

from collections.abc import Mapping
from typing import Any

from gpubroker.delivery.notifications.notice import Channel, Kind, Notice

Told = Mapping[str, Any]

_RENTALS = {
    "RentalReady": ("Your rental is ready", "Rental {rental_id} is ready: {count} running until {ends_at}."),
    "RentalFailed": ("Your rental could not be had", "Rental {rental_id} failed, and nothing is charged: {detail}"),
    "RentalScaled": ("Your rental was scaled", "Rental {rental_id} has {instances} now."),
    "RentalScaleFailed": ("Your rental was not scaled", "Rental {rental_id} stays as it was: {detail}"),
    "RentalMemberLost": (
        "An instance of your rental was lost",
        "Rental {rental_id} lost the instance {member_id} at {provider}; it is charged until {last_seen_at}.",
    ),
    "RentalRenewed": ("Your rental was renewed", "Rental {rental_id} runs on until {ends_at}."),
    "RentalRenewalRefused": ("Your rental will end", "Rental {rental_id} ends at {ends_at}. {notice}"),
    "RentalEnded": ("Your rental has ended", "Rental {rental_id} is over and cost {final_cost}."),
}
_RESOURCES = {
    "cpu": "CPU use",
    "memory": "Memory",
    "storage": "Storage",
    "network_egress": "Network egress",
    "network_ingress": "Network ingress",
    "gpu": "GPU use",
}
RENTAL_EVENTS = tuple(_RENTALS)
"""What a user hears of: neither what they have just asked for (requested, scaling, ending) nor bookkeeping."""


def notice_of(event: Told) -> Notice:
    """The notice of an event of the bus."""
    detail = event["detail"]
    match event["detail-type"]:
        case "PriceAlertTriggered":
            return _price_alert(detail)
        case "ThresholdCrossed":
            return _threshold(detail)
        case "NotificationRequested":
            return _requested(detail)
        case _:
            return _rental(detail)


def _price_alert(detail: Told) -> Notice:
    offer = detail["offer"]
    wanted = [channel for channel in Channel if channel in detail["channels"]]
    return Notice(
        event_id=detail["event_id"],
        user_id=detail["user_id"],
        kind=Kind.PRICE_ALERT,
        title=_found(offer.get("gpu_type") or detail["gpu_type"], offer["price"]),
        text=_alert_text(offer, detail["max_price"]),
        subject={"alert_id": detail["alert_id"], "crossing": detail["crossing"], "offer": offer},
        channels=frozenset(wanted),
    )


def _threshold(detail: Told) -> Notice:
    """In the inbox, unless it is only to be kept; by mail and push where the threshold names them."""
    resource = _RESOURCES[detail["resource_type"]]
    units, highest = detail["units"], detail["crossed"][-1]
    if detail["threshold_type"] == "percentage":
        units = "%" if detail["limit"] is None else f"% of {_amount(detail['limit'])} {detail['limit_units']}"
    whose = f" of instance {detail['instance_id']}" if detail["instance_id"] else ""
    when = f" in the {detail['period']['period']} from {detail['period']['start']}" if detail["period"] else ""
    at = detail["measured_at"]
    told = detail["action"] != "log"
    return Notice(
        event_id=detail["event_id"],
        user_id=detail["user_id"],
        kind=Kind.USAGE_THRESHOLD,
        title=f"{resource} over {_amount(highest)} {units}",
        text=f"{resource}{whose} was {_amount(detail['measured'])} {units}{when} at {at}: "
        f"over the threshold of {_amount(highest)} {units}.",
        subject={
            "threshold_id": detail["threshold_id"],
            "instance_id": detail["instance_id"],
            "resource_type": detail["resource_type"],
            "crossed": detail["crossed"],
            "measured": detail["measured"],
        },
        channels=frozenset(
            channel for channel in Channel if told and (channel is Channel.INBOX or channel in detail["channels"])
        ),
    )


def _requested(detail: Told) -> Notice:
    kind, about = Kind(detail["kind"]), detail["about"]
    if kind is Kind.PRICE_ALERT:
        offer, alert = about["triggered_offer"], about["alert_config"]
        title = _found(offer.get("gpu_type") or alert["gpu_type"], offer["price"])
        text = _alert_text({"gpu_type": alert["gpu_type"], **_known(offer)}, alert["max_price"])
        wanted = [channel for channel in Channel if channel in (alert.get("channels") or Channel)]
    else:
        change = about["status_change"]
        was = f" (it was {change['from']})" if change.get("from") else ""
        title = f"Your rental is {change['to']}"
        text = f"Rental {about['rental_id']} is {change['to']} now{was}."
        if change.get("detail"):
            text += f" {change['detail']}"
        wanted = list(Channel)
    return Notice(detail["event_id"], detail["user_id"], kind, title, text, dict(about), frozenset(wanted))


def _rental(detail: Told) -> Notice:
    kind, data = detail["event_type"], detail["data"]
    title, text = _RENTALS[kind]
    members = data.get("members", ())
    words = {key: value for key, value in data.items() if isinstance(value, str)} | {
        "rental_id": detail["rental_id"],
        "count": _counted(len(members)),
        "instances": _counted(data.get("instances", 0)),
        "final_cost": dollars(data.get("final_cost", 0)),
    }
    subject = {"rental_id": detail["rental_id"], "event_type": kind}
    return Notice(detail["event_id"], detail["user_id"], Kind.RENTAL_STATUS, title, text.format_map(words), subject)


def _found(gpu_type: str, price: float) -> str:
    return f"{gpu_type} at {dollars(price)} per GPU-hour"


def _alert_text(offer: Told, max_price: float) -> str:
    where = f" in {offer['region']}" if offer.get("region") else ""
    count = f"{offer['gpu_count']}x " if offer.get("gpu_count") else ""
    kind = " (spot)" if offer.get("spot") else ""
    return (
        f"{count}{offer['gpu_type']}{kind} at {offer['provider']}{where} costs {dollars(offer['price'])} per GPU-hour "
        f"now; your alert waits for {dollars(max_price)} or less. Offer: {offer['offer_id']}."
    )


def _known(offer: Told) -> dict[str, Any]:
    return {name: value for name, value in offer.items() if value is not None}


def _counted(number: int) -> str:
    return f"{number} instance" if number == 1 else f"{number} instances"


def _amount(value: float) -> str:
    """An amount of usage as people write it."""
    whole, _, fraction = f"{value:,.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0')}".removesuffix(".")


def dollars(amount: float) -> str:
    """An amount as people write it: cents at least, and every further digit that it has, down to a micro."""
    whole, _, fraction = f"{amount:,.6f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
