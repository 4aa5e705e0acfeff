"""What may be asked of notifications. The internal bodies' fields are the seed's."""

from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gpubroker.delivery.notifications.notice import Channel, Kind
from gpubroker.kernel.schemas import RequestModel, Usd

UserId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Words = Annotated[str, Field(min_length=1, max_length=128)]
ChannelName: TypeAlias = Literal["inbox", "email", "push"]
Channels = Annotated[list[ChannelName], Field(max_length=3)]


def _every_channel() -> list[ChannelName]:
    return ["inbox", "email", "push"]


class PreferencesRequest(RequestModel):
    """The channels of each kind; an empty list is silence. A kind that is not named goes by every channel."""

    price_alert: Channels = Field(default_factory=_every_channel)
    rental_status: Channels = Field(default_factory=_every_channel)
    usage_threshold: Channels = Field(default_factory=_every_channel)

    def preferences(self) -> dict[Kind, frozenset[Channel]]:
        return {kind: frozenset(map(Channel, getattr(self, kind.value))) for kind in Kind}


class DeviceRequest(RequestModel):
    """An endpoint for push: SNS posts to it, after it has confirmed the subscription as SNS asks it to."""

    endpoint: str = Field(min_length=9, max_length=1024, examples=["https://push.example.com/gpubroker"])
    name: str | None = Field(None, min_length=1, max_length=64)

    @field_validator("endpoint")
    @classmethod
    def _https(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme == "https" and parts.hostname and not parts.username and not parts.fragment
        except ValueError:
            usable = False
        if not usable or not value.isascii() or any(character.isspace() for character in value):
            raise ValueError("must be an https address without a user or a fragment")
        return value


class AlertConfig(RequestModel):
    gpu_type: Words
    max_price: Usd = Field(description="USD per GPU-hour")
    alert_id: Words | None = None
    region: Words | None = None
    provider: Words | None = None
    spot: bool | None = None
    channels: list[Literal["inbox", "email", "push", "websocket", "webhook"]] | None = None


class TriggeredOffer(RequestModel):
    offer_id: Words
    provider: Words
    price: Usd = Field(description="USD per GPU-hour")
    price_micros: int | None = Field(None, ge=0)
    gpu_type: Words | None = None
    gpu_count: int | None = Field(None, ge=1, le=1024)
    region: Words | None = None
    spot: bool | None = None


class PriceAlertNotice(RequestModel):
    """Tell a user that an offer fired their alert (306)."""

    user_id: UserId
    alert_config: AlertConfig
    triggered_offer: TriggeredOffer

    def about(self) -> dict[str, Any]:
        return _plain(self)


class StatusChange(RequestModel):
    """`from` and `to` are states of a rental."""

    to: Words
    from_: Words | None = Field(None, alias="from")
    detail: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class RentalStatusNotice(RequestModel):
    """Tell a user what became of a rental (307). A `status_change` that is text is the new state."""

    user_id: UserId
    rental_id: Words
    status_change: StatusChange | Words

    def about(self) -> dict[str, Any]:
        told = _plain(self)
        if isinstance(self.status_change, str):
            told["status_change"] = {"to": self.status_change}
        return told


def _plain(body: RequestModel) -> dict[str, Any]:
    """Plain JSON values, amounts as numbers, without the user."""
    plain: dict[str, Any] = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"user_id"})
    for part, name in (("alert_config", "max_price"), ("triggered_offer", "price")):
        if part in plain:
            plain[part][name] = float(plain[part][name])
    return plain
