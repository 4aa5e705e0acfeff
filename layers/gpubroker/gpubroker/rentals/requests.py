"""What may be asked of rentals. The fields are DESIGN §7's."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from gpubroker.kernel.schemas import RequestModel
from gpubroker.rentals.caps import MAX_COUNT, MAX_DURATION_HOURS
from gpubroker.rentals.rental import Launch

_SSH_KEY = re.compile(
    r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/]{40,}={0,3}( [^\r\n]*)?$"
)
_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
_ENV_NAMES = 64
_ENV_BYTES = 16 * 1024

OfferId = Annotated[str, Field(min_length=3, max_length=128, pattern=r"^[A-Za-z0-9._:-]+$")]


def _exact(value: Any) -> Any:
    """A JSON number as the decimal that was written; pydantic would take a string for one too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("Input should be a number")
    return Decimal(str(value))


def _shown(description: str, **bounds: int) -> WithJsonSchema:
    """How such a number stands in the API document."""
    return WithJsonSchema({"type": "number", "description": description} | bounds)


Hours = Annotated[
    Decimal,
    Field(gt=0, le=MAX_DURATION_HOURS, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("hours; fractions are allowed", exclusiveMinimum=0, maximum=MAX_DURATION_HOURS),
]
HoursUsed = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("hours per instance, counted from when it became ready", minimum=0, maximum=1_000_000),
]
UsdPerHour = Annotated[
    Decimal,
    Field(gt=0, le=1_000_000, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown(
        "USD per hour for one whole instance; by default the price when this is asked, disk included",
        exclusiveMinimum=0,
        maximum=1_000_000,
    ),
]


def seconds_of(hours: Decimal) -> int:
    """Whole seconds, at least one."""
    return max(1, round(hours * 3600))


class RentalRequest(RequestModel):
    """Rent `count` instances of one offer for a time."""

    offer_id: OfferId
    duration_hours: Hours
    max_total_price: UsdPerHour | None = None
    ssh_public_key: str | None = Field(None, max_length=8192, description="one line in OpenSSH's format")
    image: str | None = Field(None, min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")
    disk_gb: int | None = Field(None, ge=1, le=10_000)
    env: dict[str, Annotated[str, Field(max_length=4096)]] = Field(default_factory=dict)
    start_script: str | None = Field(None, min_length=1, max_length=16_384)
    auto_renew: bool = False
    count: int = Field(1, ge=1, le=MAX_COUNT)
    account_id: str | None = Field(
        None,
        pattern=r"^(usr|org)_[0-9A-Z]{26}$",
        description="the account that pays: your own by default, or an organisation's that you may spend for",
    )

    @field_validator("ssh_public_key")
    @classmethod
    def _one_key(cls, value: str | None) -> str | None:
        if value is not None and not _SSH_KEY.match(value.strip()):
            raise ValueError("is not one public key in OpenSSH's format")
        return value.strip() if value is not None else None

    @field_validator("env")
    @classmethod
    def _small_environment(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > _ENV_NAMES or sum(len(k) + len(v) for k, v in value.items()) > _ENV_BYTES:
            raise ValueError(f"takes at most {_ENV_NAMES} names and {_ENV_BYTES} characters")
        for name in value:
            if not _ENV_NAME.match(name):
                raise ValueError("has a name that is none of an environment variable")
            if name.startswith("GPUBROKER_"):
                raise ValueError("may not set names that begin with GPUBROKER_")
        return value

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=seconds_of(self.duration_hours))

    def launch(self) -> Launch:
        return Launch(self.ssh_public_key, self.image, self.disk_gb, dict(self.env), self.start_script)


class ScaleRequest(RequestModel):
    """Add instances from the same or similar offers, or remove some (the dearest first)."""

    action: Literal["add", "remove"]
    count: int = Field(ge=1, le=MAX_COUNT)


class EstimateOptions(RequestModel):
    count: int = Field(1, ge=1, le=MAX_COUNT)
    disk_gb: int | None = Field(
        None, ge=1, le=10_000, description="of each instance; what the offer includes unless said"
    )
    auto_renew: bool = False


class EstimateRequest(RequestModel):
    """duration is in hours, like a rental's `duration_hours`."""

    offer_id: OfferId
    duration: Hours
    options: EstimateOptions = EstimateOptions()


class FinalizeRequest(RequestModel):
    """final_duration is in hours per instance, counted from when it became ready; never more than was used."""

    rental_id: str = Field(pattern=r"^ren_[0-9A-Z]{26}$")
    final_duration: HoursUsed


class SwitchRequest(RequestModel):
    stopped: bool
    reason: str | None = Field(None, min_length=1, max_length=500)
