"""What may be asked of alerts. `gpu_type` and `max_price` are the seed's (journey 2); `gpu` is understood too."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, field_validator, model_validator

from gpubroker.kernel.money import MicroUsd, micros
from gpubroker.kernel.schemas import RequestModel, Usd

LONGEST_COOLDOWN_SECONDS = 7 * 24 * 3600
USUAL_COOLDOWN_SECONDS = 3600

Name = Annotated[str, Field(min_length=1, max_length=64)]
Channel: TypeAlias = Literal["websocket", "email", "push", "inbox", "webhook"]
EVERY_CHANNEL: tuple[Channel, ...] = ("websocket", "email", "push", "inbox", "webhook")
Cooldown = Annotated[int, Field(ge=0, le=LONGEST_COOLDOWN_SECONDS)]
Channels = Annotated[list[Channel], Field(min_length=1, max_length=len(EVERY_CHANNEL))]
Price = Annotated[Usd, Field(gt=0, description="USD per GPU-hour; fires at this price or below", examples=[1.5])]


class _Fields(RequestModel):
    @field_validator("max_price", check_fields=False)
    @classmethod
    def _at_least_a_micro(cls, value: Usd | None) -> Usd | None:
        if value is not None and micros(value) < 1:
            raise ValueError("must be at least 0.000001")
        return value


class AlertRequest(_Fields):
    """Tell me when an offer of this GPU costs so much or less."""

    gpu_type: Name | None = Field(None, description="GPU model in any usual spelling; required", examples=["A100"])
    gpu: Name | None = Field(None, description="the same as gpu_type")
    max_price: Price
    region: Name | None = Field(None, description='canonical, or a family of them ("us"); any by default')
    provider: Name | None = Field(None, description="any by default")
    spot: bool | None = Field(None, description="true: spot only, false: on demand only; both by default")
    cooldown_seconds: Cooldown = Field(USUAL_COOLDOWN_SECONDS, description="silence after it has fired")
    expires_at: AwareDatetime | None = Field(None, description="never by default")
    channels: Channels = Field(
        default_factory=lambda: list(EVERY_CHANNEL), description="by which it is told; all by default"
    )

    @model_validator(mode="after")
    def _one_gpu(self) -> Self:
        if (self.gpu_type is None) == (self.gpu is None):
            raise ValueError("gpu_type is required (gpu is another name of it: give one of them)")
        return self

    @property
    def named_gpu(self) -> str:
        return self.gpu_type or self.gpu or ""

    @property
    def max_price_micros(self) -> MicroUsd:
        return micros(self.max_price)


class AlertChange(_Fields):
    """What shall be otherwise; what is not named stays. A new threshold, or an end of a pause, arms the alert anew."""

    paused: bool | None = None
    max_price: Price | None = None
    cooldown_seconds: Cooldown | None = None
    expires_at: AwareDatetime | None = Field(None, description="null: never")
    channels: Channels | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        for name in self.model_fields_set - {"expires_at"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self
