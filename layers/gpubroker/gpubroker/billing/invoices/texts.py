"""Amounts and quantities as people read them on an invoice."""

from decimal import Decimal

from gpubroker.kernel.money import MicroUsd


def money(amount: MicroUsd) -> str:
    """`-$1,234.50`, `$0.001234`: two places, and as many of six as it has."""
    whole, rest = divmod(abs(amount), 1_000_000)
    places = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}${whole:,}.{places}"


def quantity(value: Decimal) -> str:
    """Six places at most, thousands apart."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rate(value: Decimal) -> str:
    """A price of one unit: at least two places, none lost."""
    text = f"{value:f}"
    whole, _, places = text.partition(".")
    return f"${whole}.{places.rstrip('0').ljust(2, '0')}"
