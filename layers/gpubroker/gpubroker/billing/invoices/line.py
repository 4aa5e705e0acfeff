"""The lines of an invoice. Each opens to what it is made of: hours of an instance, a rental, a rule of the plan."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gpubroker.kernel.money import MicroUsd


class Kind(StrEnum):
    USAGE = "usage"
    LATE_USAGE = "late_usage"
    """Usage of a period before, which came after that was invoiced: the difference."""
    RENTAL = "rental"
    RENTAL_ADJUSTMENT = "rental_adjustment"
    """A rental that was confirmed to cost less than it was charged; given back when that was known."""
    PLAN_FEE = "plan_fee"
    MINIMUM_SPEND = "minimum_spend"
    MAXIMUM_SPEND = "maximum_spend"
    DISCOUNT = "discount"
    ROUNDING = "rounding"
    """What brings the amount due to whole cents, half to even."""

    @property
    def settled(self) -> bool:
        """Whether the money of such a line has moved before the invoice: it is shown, and not due."""
        return self in (Kind.RENTAL, Kind.RENTAL_ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    number      from 1, in the order of the invoice; how a line is named everywhere
    amount      micro-USD; negative for what is given back
    period      `2026-11`: the month that it is for, which for late usage is not the invoice's
    quantity    of the meter's priced unit (`unit`); `rate` is USD for one of them where there is a single price
    source      what it opens to: an instance id, a rental id, a plan's or a discount's id
    """

    number: int
    kind: Kind
    description: str
    amount: MicroUsd
    period: str
    source: str = ""
    resource: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the lines, in micro-USD: subtotal + discounts + rounding = total; total - settled = due."""

    subtotal: MicroUsd
    discounts: MicroUsd
    rounding: MicroUsd
    settled: MicroUsd

    @property
    def total(self) -> MicroUsd:
        return self.subtotal + self.discounts + self.rounding

    @property
    def due(self) -> MicroUsd:
        return self.total - self.settled


def totals(lines: "list[Line]") -> Totals:
    """What the lines come to."""
    discounts = sum(line.amount for line in lines if line.kind is Kind.DISCOUNT)
    rounding = sum(line.amount for line in lines if line.kind is Kind.ROUNDING)
    every = sum(line.amount for line in lines)
    return Totals(
        subtotal=every - discounts - rounding,
        discounts=discounts,
        rounding=rounding,
        settled=sum(line.amount for line in lines if line.kind.settled),
    )
