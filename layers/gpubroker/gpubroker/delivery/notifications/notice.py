"""A notice: what one user is to be told, once by each channel."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    PRICE_ALERT = "price_alert"
    RENTAL_STATUS = "rental_status"
    USAGE_THRESHOLD = "usage_threshold"


class Channel(StrEnum):
    """The channels of this context part. Sockets and webhooks hear of the same facts by themselves."""

    INBOX = "inbox"
    EMAIL = "email"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Notice:
    """event_id names the fact; each user is told of it once by each channel.

    text      whole sentences, for people
    subject   what it is about: `alert_id`, `offer_id`, `rental_id` ..., plain JSON values, for programs
    channels  those that the fact allows; the user's preferences take away from them
    """

    event_id: str
    user_id: str
    kind: Kind
    title: str
    text: str
    subject: dict[str, Any] = field(default_factory=dict)
    channels: frozenset[Channel] = frozenset(Channel)
