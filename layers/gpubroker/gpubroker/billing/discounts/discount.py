"""A discount: how much off, of what, for how long; and what several make of an invoice. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from gpubroker.billing.rating.rounding import half_even, share_out
from gpubroker.kernel.money import MicroUsd

Duration = Literal["once", "months", "forever"]

_PERIODS_KEPT = 24
MOST_AT_ONCE = 20
"""Discounts that one invoice has: each is a write of its transaction."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Either a percentage (0 to 100) or an amount (micro-USD, for each period).

    resources  the only ones it is off; empty: any
    duration   once: the first period that it took something off. months: the month it began in and those that follow,
               `months` in all. forever
    """

    percentage: Decimal | None = None
    amount: MicroUsd | None = None
    resources: tuple[str, ...] = ()
    duration: Duration = "once"
    months: int | None = None

    def covers(self, resource: str) -> bool:
        return not self.resources or resource in self.resources


@dataclass(frozen=True, slots=True)
class Discount:
    """Terms, as an account has them.

    used  micro-USD taken off so far by period (`2026-11`): more usage of a period that had the discount has it too,
          and an amount is not taken off twice
    """

    discount_id: str
    terms: Terms
    starts_at: datetime
    ends_at: datetime | None = None
    name: str = ""
    code: str | None = None
    used: dict[str, MicroUsd] = field(default_factory=dict)

    def holds(self, start: datetime, end: datetime) -> bool:
        """Whether the period [start, end) has it: one that it holds in for a part has it whole."""
        if self.starts_at >= end or (self.ends_at is not None and self.ends_at <= start):
            return False
        if self.terms.duration == "once":
            return not self.used or period_key(start) in self.used
        if self.terms.duration == "months":
            since = (start.year - self.starts_at.year) * 12 + start.month - self.starts_at.month
            return since < (self.terms.months or 0)
        return True

    @property
    def order(self) -> tuple[bool, bool, datetime, str]:
        """Percentages first, then amounts; what is for some resources before what is for all; the older first."""
        return (self.terms.amount is not None, not self.terms.resources, self.starts_at, self.discount_id)


@dataclass(frozen=True, slots=True)
class TakenOff:
    """What one discount takes off each resource's charges; micro-USD, over 0."""

    discount_id: str
    name: str
    by_resource: Mapping[str, MicroUsd]

    @property
    def amount(self) -> MicroUsd:
        return sum(self.by_resource.values())


def period_key(start: datetime) -> str:
    """`2026-11`, the name of the month that a period is of."""
    return f"{start:%Y-%m}"


def with_uses(discounts: Iterable[Discount], taken: Iterable[TakenOff], period: str) -> list[Discount]:
    """The discounts after they took so much off a period; of what they took the last two years are kept."""
    off = {one.discount_id: one.amount for one in taken}
    return [_used(one, off[one.discount_id], period) if one.discount_id in off else one for one in discounts]


def _used(discount: Discount, amount: MicroUsd, period: str) -> Discount:
    used = {**discount.used, period: discount.used.get(period, 0) + amount}
    if discount.terms.duration != "once":  # `once` asks whether any period had it, ever
        used = dict(sorted(used.items())[-_PERIODS_KEPT:])
    return replace(discount, used=used)


def take_off(
    discounts: Iterable[Discount], charges: Mapping[str, MicroUsd], *, start: datetime, end: datetime
) -> list[TakenOff]:
    """What the discounts take off the charges of the period [start, end), by resource; never more than there is.

    Each works on what the ones before it left. A percentage is rounded half to even for each resource, an amount is
    shared out by the largest remainder, so that the parts are exactly what was taken off.
    """
    left = {resource: max(0, amount) for resource, amount in charges.items()}
    found: list[TakenOff] = []
    for discount in sorted(discounts, key=lambda one: one.order):
        if len(found) == MOST_AT_ONCE:
            break
        if not discount.holds(start, end):
            continue
        off = {name: cut for name, cut in _off(discount, left, period_key(start)).items() if cut}
        if off:
            for resource, cut in off.items():
                left[resource] -= cut
            found.append(TakenOff(discount.discount_id, discount.name or discount.code or "", off))
    return found


def _off(discount: Discount, left: Mapping[str, MicroUsd], period: str) -> dict[str, MicroUsd]:
    covered = {resource: amount for resource, amount in left.items() if discount.terms.covers(resource)}
    if discount.terms.percentage is not None:
        return {name: half_even(amount * discount.terms.percentage, 100) for name, amount in covered.items()}
    more = max(0, (discount.terms.amount or 0) - discount.used.get(period, 0))
    together = min(more, sum(covered.values()))
    return dict(zip(covered, share_out(together, list(covered.values())), strict=True)) if together else {}
