"""What notifications need of others. The address is identity's; joined in composition/notifications.py."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Address:
    """Where a user gets mail, and whether they have shown that it is theirs."""

    email: str
    verified: bool


class Addresses(Protocol):
    def address_of(self, user_id: str) -> Address | None:
        """None when there is no such user. One read."""
        ...


class Push(Protocol):
    """One topic a user, to which their devices are subscribed."""

    def publish(self, user_id: str, title: str, text: str, payload: dict[str, object]) -> str | None:
        """The carrier's id of the message; None when the user has no topic."""
        ...

    def subscribe(self, user_id: str, endpoint: str) -> str:
        """Subscribe an https endpoint to the user's topic, made if need be; the subscription's name. Repeatable."""
        ...

    def unsubscribe(self, subscription: str) -> None:
        """End a subscription; one that is over, or was never confirmed, is no error."""
        ...
