"""Credit notes: what of an invoice's lines is given back. Pure.

A line may be credited in parts, never beyond its amount. Where a percentage is given back, the whole is rounded once,
half to even, and shared out to the lines, so that the rounded lines add up to the rounded whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gpubroker.billing.invoices.line import Line
from gpubroker.billing.rating import half_even, share_out
from gpubroker.kernel.errors import Conflict, Invalid
from gpubroker.kernel.money import MicroUsd


class CreditExceedsLine(Conflict):
    code = "credit-exceeds-line"
    title = "More cannot be credited than a line has left"


@dataclass(frozen=True, slots=True)
class CreditNote:
    """lines: (line number, micro-USD). `to_due` lessened what was to pay, `to_balance` went back to the account."""

    note_id: str
    number: str
    invoice_id: str
    account_id: str
    lines: tuple[tuple[int, MicroUsd], ...]
    amount: MicroUsd
    to_due: MicroUsd
    to_balance: MicroUsd
    reason: str
    by: str
    at: datetime


def credited_before(notes: Sequence[CreditNote]) -> dict[int, MicroUsd]:
    """By line: what earlier notes gave back of it."""
    found: dict[int, MicroUsd] = {}
    for note in notes:
        for number, amount in note.lines:
            found[number] = found.get(number, 0) + amount
    return found


def by_amounts(
    wanted: Mapping[int, MicroUsd | None], lines: Mapping[int, Line], before: Mapping[int, MicroUsd]
) -> tuple[tuple[int, MicroUsd], ...]:
    """So much of each line; None: what it has left. Raises Invalid for a line that is not there, CreditExceedsLine."""
    found = []
    for number, amount in sorted(wanted.items()):
        left = _left(number, lines, before)
        if amount is None:
            amount = left
        if amount > left or amount <= 0:
            raise CreditExceedsLine(f"Line {number} has {left} micro-dollars left to be credited.", line=number)
        found.append((number, amount))
    return tuple(found)


def by_percentage(
    percentage: Decimal, lines: Mapping[int, Line], before: Mapping[int, MicroUsd]
) -> tuple[tuple[int, MicroUsd], ...]:
    """A percentage of everything that lines charge for, discounts and the like taken off first, by what each was."""
    positive = {number: line.amount for number, line in sorted(lines.items()) if line.amount > 0}
    net = sum(line.amount for line in lines.values())
    whole = half_even(max(0, net) * percentage, 100)
    shares = share_out(whole, list(positive.values()))
    wanted = {number: share for number, share in zip(positive, shares, strict=True) if share}
    if not wanted:
        raise CreditExceedsLine("There is nothing to be credited.")
    return by_amounts(dict(wanted), lines, before)


def _left(number: int, lines: Mapping[int, Line], before: Mapping[int, MicroUsd]) -> MicroUsd:
    line = lines.get(number)
    if line is None:
        raise Invalid.of("lines", f"the invoice has no line {number}")
    return max(0, line.amount - before.get(number, 0))
