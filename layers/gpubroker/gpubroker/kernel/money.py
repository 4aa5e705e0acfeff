"""Money is an integer number of micro-US-dollars (1 USD = 1,000,000); decimals exist at the edge only (DESIGN §3)."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TypeAlias

MicroUsd: TypeAlias = int

_MICROS = Decimal(1_000_000)
_SECONDS_PER_HOUR = 3600


def micros(value: Decimal | str | int) -> MicroUsd:
    """USD to micro-USD, rounded half to even.

    Raises ValueError on NaN, infinity and what is no number. A binary float is refused by type:
    it has already lost what this function exists to keep.
    """
    try:
        amount = value if isinstance(value, Decimal) else Decimal(value)
        scaled = (amount * _MICROS).to_integral_value(rounding=ROUND_HALF_EVEN)
    except InvalidOperation as error:
        raise ValueError(f"not an amount of money: {value!r}") from error
    if not scaled.is_finite():
        raise ValueError(f"not an amount of money: {value!r}")
    return int(scaled)


def usd(amount: MicroUsd) -> float:
    """Micro-USD as the JSON number to show, in USD.

    The only float that money may become, on its way out: below 4 billion USD its shortest text is the exact
    decimal of at most six places, so nothing is lost by printing it.
    """
    return amount / 1_000_000


def cost(price_per_hour: MicroUsd, seconds: Decimal | int) -> MicroUsd:
    """What `seconds` of use cost at a price per hour, rounded half to even once (DESIGN §7)."""
    exact = Decimal(price_per_hour) * Decimal(seconds) / _SECONDS_PER_HOUR
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
