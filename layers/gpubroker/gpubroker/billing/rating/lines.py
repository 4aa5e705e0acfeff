"""The lines that rating gives: each is rounded to whole micro-dollars by itself, and opens to what it is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gpubroker.kernel.money import MicroUsd


class LineKind(StrEnum):
    USAGE = "usage"
    FLAT_FEE = "flat_fee"
    ALREADY_RATED = "already_rated"
    MINIMUM_SPEND = "minimum_spend"
    MAXIMUM_SPEND = "maximum_spend"


@dataclass(frozen=True, slots=True)
class RatedLine:
    """amount      micro-USD; negative only for what was rated before and for what goes beyond a maximum
    quantity    of this line, in the meter's units
    per         the meter's units in a priced one: quantity / per x unit_price is the amount before rounding
    unit_price  USD for a priced unit, or for a whole block or package
    tier        which tier, from 1; None where the price has none
    blocks      how many whole blocks or packages, where these are what is sold
    """

    kind: LineKind
    amount: MicroUsd
    quantity: Decimal = Decimal(0)
    unit_price: Decimal | None = None
    per: int = 1
    tier: int | None = None
    blocks: int | None = None


def total(lines: Iterable[RatedLine]) -> MicroUsd:
    """What the lines cost together, in micro-USD."""
    return sum(line.amount for line in lines)


_COMMITMENTS = (LineKind.MINIMUM_SPEND, LineKind.MAXIMUM_SPEND)


@dataclass(frozen=True, slots=True)
class Billed:
    """What the parts of a period before cost, in micro-USD: by usage alone, and with what a maximum cut off."""

    uncut: MicroUsd
    billed: MicroUsd

    def with_lines(self, lines: Iterable[RatedLine]) -> "Billed":
        uncut, billed = self.uncut, self.billed
        for line in lines:
            billed += line.amount
            if line.kind not in _COMMITMENTS:
                uncut += line.amount
        return Billed(uncut, billed)

    def settled(self) -> "Billed":
        """For another price to go on from: what was cut off stays so."""
        return Billed(self.billed, self.billed)


NOTHING_BILLED = Billed(0, 0)
