"""Rounding by the rules of docs/billing.md: exact until the end, half to even, once; and sums that survive it."""

from collections.abc import Sequence
from decimal import Decimal

from gpubroker.kernel.money import MicroUsd

MICROS_PER_CENT = 10_000


def half_even(value: Decimal | int, divisor: int = 1) -> int:
    """value / divisor to the nearest integer, a half to the even one. Exact: whole numbers all the way."""
    numerator, denominator = value.as_integer_ratio()
    denominator *= divisor
    quotient, rest = divmod(numerator, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and quotient % 2):
        quotient += 1
    return quotient


def share_out(amount: int, weights: Sequence[int]) -> list[int]:
    """A whole amount in whole parts by weight, which add up to it exactly (largest remainder, Hamilton's method).

    Each part is its exact share rounded towards zero; what is left goes, one each, to the largest remainders, of equal
    ones to the earlier. Weights are not negative; with nothing but zeros everything goes to the last.
    """
    if not weights:
        if amount:
            raise ValueError("nobody to share with")
        return []
    together = sum(weights)
    if min(weights) < 0:
        raise ValueError("a negative weight")
    if together == 0:
        return [0] * (len(weights) - 1) + [amount]
    sign = -1 if amount < 0 else 1
    parts, remainders = [], []
    for weight in weights:
        part, rest = divmod(abs(amount) * weight, together)
        parts.append(part)
        remainders.append(rest)
    left = abs(amount) - sum(parts)
    for place in sorted(range(len(weights)), key=lambda one: (-remainders[one], one))[:left]:
        parts[place] += 1
    return [sign * part for part in parts]


def to_cents(amounts: Sequence[MicroUsd]) -> list[int]:
    """Amounts in whole cents that add up to their total in cents, which is rounded half to even once.

    Each is rounded down; the cents that are missing then go to the largest rests, of equal ones to the earlier. So
    no line is off by a cent or more, and the sum of the rounded lines is the rounded total.
    """
    cents = [amount // MICROS_PER_CENT for amount in amounts]
    missing = half_even(sum(amounts), MICROS_PER_CENT) - sum(cents)
    rests = [amount % MICROS_PER_CENT for amount in amounts]
    for place in sorted(range(len(amounts)), key=lambda one: (-rests[one], one))[:missing]:
        cents[place] += 1
    return cents
