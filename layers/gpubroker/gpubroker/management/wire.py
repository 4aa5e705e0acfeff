"""How the management tier's integration API writes its fields: camelCase, but for moments, twins in micro-USD and
cursors (`created_at`, `amount_micros`, `next_cursor`), as its document and the rest of the house do."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import RequestModel, View

LARGEST_USD = 1_000_000_000_000
_PLACES = 6
# A JSON number is a double: it holds every micro-dollar up to here (9 billion USD), and whole dollars far beyond.
_EXACT_MICROS = 2**53


def field_name(name: str) -> str:
    """The name on the wire of a field of ours."""
    if name.endswith(("_at", "_from", "_cursor")):
        return name
    base, micros, _ = name.partition("_micros")
    return to_camel(base) + micros


class WireRequest(RequestModel):
    model_config = ConfigDict(alias_generator=field_name)


class WireView(View):
    model_config = ConfigDict(alias_generator=field_name, validate_by_name=True)


def _number(value: Any) -> Any:
    """A JSON number as the decimal that was written; pydantic would take a string for one too."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    return Decimal(str(value))


def _exact(value: Any) -> Any:
    amount = _number(value)
    if not amount.is_finite() or abs(amount) > 10 * LARGEST_USD:
        return amount  # the bounds of the field refuse it; it could not be rounded
    if isinstance(value, float) and not value.is_integer() and abs(amount) * 10**_PLACES > _EXACT_MICROS:
        raise ValueError("has more digits than a JSON number holds exactly")
    if amount != round(amount, _PLACES):
        raise ValueError(f"takes at most {_PLACES} decimal places")
    return amount


def _shown(description: str, **bounds: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "description": description, **bounds})


Amount = Annotated[
    Decimal,
    Field(ge=0, le=LARGEST_USD, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("USD, at most six decimal places", minimum=0, maximum=LARGEST_USD),
]
"""At most 10^12 USD, exact to the micro-dollar."""

Percentage = Annotated[
    Decimal,
    Field(ge=0, le=100, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("per cent of the amount, at most six decimal places", minimum=0, maximum=100),
]

Quantity = Annotated[
    Decimal,
    Field(ge=0, le=10**15, allow_inf_nan=False),
    BeforeValidator(_number),
    _shown("how much there is", minimum=0, maximum=10**15),
]

# No '#', which divides keys, and no '/', which divides paths; otherwise whatever another tier calls its things.
_NAME = r"^[^#/\s\x00-\x1f\x7f]([^#/\x00-\x1f\x7f]{0,126}[^#/\s\x00-\x1f\x7f])?$"
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=_NAME, examples=["ord-42"])]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
EventType = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:@-]*$", examples=["order.matched"]),
]


def _plausible(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2999:
        raise ValueError("must lie between the years 2000 and 2999")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_plausible), Field(description="RFC 3339, with a time zone")]

Cursor = Annotated[str, Field(min_length=1, max_length=2048, description="next_cursor of the page before")]


def money(name: str, amount: int) -> dict[str, Any]:
    """An amount in USD and its exact twin in micro-USD, by the names of the fields of a view."""
    return {name: usd(amount), f"{name}_micros": amount}
