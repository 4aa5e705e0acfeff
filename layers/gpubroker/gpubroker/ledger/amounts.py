"""Amounts of money as callers of the ledger write and read them."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from gpubroker.kernel.money import MicroUsd, usd

LARGEST_USD = 1_000_000_000_000
_PLACES = 6
# A JSON number is a double: up to here (4.3 billion USD) its steps are smaller than a micro-dollar.
_EXACT_USD = 2**32


def _exact(value: Any) -> Any:
    """A JSON number as the decimal that was written; pydantic would take a string for one too."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    amount = Decimal(str(value))
    if not amount.is_finite() or abs(amount) > LARGEST_USD:
        return amount  # refused by its bounds
    if isinstance(value, float) and not value.is_integer() and abs(amount) > _EXACT_USD:
        raise ValueError("has more digits than a JSON number holds exactly")
    if amount != round(amount, _PLACES):
        raise ValueError(f"takes at most {_PLACES} decimal places")
    return amount


def _shown(description: str, **bounds: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "description": description, "maximum": LARGEST_USD, **bounds})


Amount = Annotated[
    Decimal,
    Field(gt=0, le=LARGEST_USD, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("USD, at most six decimal places", exclusiveMinimum=0),
]
"""What moves: more than nothing, at most 10^12 USD, exact to the micro-dollar."""

Limit = Annotated[
    Decimal,
    Field(ge=0, le=LARGEST_USD, allow_inf_nan=False),
    BeforeValidator(_exact),
    _shown("USD, at most six decimal places", minimum=0),
]
"""A bound that may be nothing: a credit limit, a budget."""


def told(name: str, amount: MicroUsd) -> dict[str, Any]:
    """An amount in USD and its exact twin in micro-USD."""
    return {name: usd(amount), f"{name}_micros": amount}
