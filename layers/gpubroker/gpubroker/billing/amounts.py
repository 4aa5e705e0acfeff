"""Money as callers of billing write it and read it: exact decimals of USD, and the micro-USD beside what is told."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from gpubroker.kernel.money import MicroUsd, usd

MOST_USD = 10**12
_PLACES = 6
_PRICE_PLACES = 12
_FLOAT_DIGITS = 15  # of a decimal, which a double gives back as they were


def _exact(value: object, info: ValidationInfo) -> object:
    if info.mode != "json":
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    exact = Decimal(str(value))
    if isinstance(value, float) and len(exact.as_tuple().digits) > _FLOAT_DIGITS:
        raise ValueError("has more digits than a JSON number holds exactly")
    return exact


def _at_most(places: int) -> AfterValidator:
    def check(value: Decimal) -> Decimal:
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > places:
            raise ValueError(f"has more than {places} places")
        return value

    return AfterValidator(check)


Amount = Annotated[Decimal, Field(ge=0, le=MOST_USD, allow_inf_nan=False), BeforeValidator(_exact), _at_most(_PLACES)]
"""USD, 0 to 10^12, in whole micro-dollars."""

PositiveAmount = Annotated[Amount, Field(gt=0)]

UnitPrice = Annotated[
    Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False), BeforeValidator(_exact), _at_most(_PRICE_PLACES)
]
"""USD for a unit: it may be far less than a micro-dollar."""

Quantity = Annotated[Decimal, Field(ge=0, le=10**15, allow_inf_nan=False), BeforeValidator(_exact), _at_most(_PLACES)]

Percentage = Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False), BeforeValidator(_exact), _at_most(_PLACES)]


def told(name: str, amount: MicroUsd | None) -> dict[str, Any]:
    """An amount in USD and its exact twin in micro-USD."""
    return {name: None if amount is None else usd(amount), f"{name}_micros": amount}
