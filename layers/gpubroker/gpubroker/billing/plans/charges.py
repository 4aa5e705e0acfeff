"""What an account's usage of a period costs on the plans it was on: lines that each name their price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gpubroker.billing.plans.plan import SCOPES, PlanPeriod
from gpubroker.billing.rating.lines import Billed, RatedLine
from gpubroker.billing.rating.prices import ResourcePrice, Scope
from gpubroker.billing.rating.proration import prorated
from gpubroker.billing.rating.rate import added, rate_part
from gpubroker.billing.resources import RESOURCES
from gpubroker.kernel.money import MicroUsd

Metered = tuple[str, Scope]
"""A resource, and whether a rental's instance used it (`rental`) or another (`other`)."""

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charge:
    """A line, with the stretch and the price that made it."""

    period: PlanPeriod
    price: ResourcePrice
    line: RatedLine


@dataclass(frozen=True, slots=True)
class Fee:
    """What being on a plan for a part of the period costs."""

    period: PlanPeriod
    amount: MicroUsd


def charges(
    periods: Sequence[PlanPeriod], usage: Mapping[Metered, Sequence[Decimal | int]], *, over: bool = True
) -> list[Charge]:
    """usage: for each resource and scope, what each of the periods had of it, in the meter's units.

    A price for all scopes rates them together: its tiers count what all of them used. Tiers count from the start of
    the first period, whatever prices there were since (`rate_stretches`).
    over: whether the last of the periods ends the month; only then are minimum spends charged, for what was not
    used too.
    """
    found: list[Charge] = []
    for resource in dict.fromkeys([*RESOURCES, *(resource for resource, _ in usage)]):
        billed: dict[frozenset[Scope], tuple[ResourcePrice, Billed]] = {}
        before: dict[Scope, Decimal] = dict.fromkeys(SCOPES, _ZERO)
        for place, period in enumerate(periods):
            now = {scope: Decimal(usage[resource, scope][place]) for scope in SCOPES if (resource, scope) in usage}
            for price, scopes in period.plan.prices_of(resource):
                lines, so_far = _stretch(price, scopes, before, now, billed, place, over and place == len(periods) - 1)
                billed[scopes] = (price, so_far)
                found += [Charge(period, price, line) for line in lines]
            for scope, quantity in now.items():
                before[scope] = added(before[scope], quantity)
    return found


def _stretch(
    price: ResourcePrice,
    scopes: frozenset[Scope],
    before: Mapping[Scope, Decimal],
    now: Mapping[Scope, Decimal],
    billed: dict[frozenset[Scope], tuple[ResourcePrice, Billed]],
    place: int,
    last: bool,
) -> tuple[list[RatedLine], Billed]:
    """What one price makes of one stretch, going on from what the same usage was billed before."""
    earlier = [billed.pop(held) for held in list(billed) if held <= scopes]
    together = sum(one.billed for _, one in earlier)
    so_far = Billed(together, together)
    if len(earlier) == 1 and earlier[0][0] == price:
        so_far = earlier[0][1]
    counted = added(*(before[scope] for scope in scopes))
    more = added(*(now.get(scope, _ZERO) for scope in scopes))
    lines = rate_part(price, counted, more, place == 0, last, so_far)
    return lines, so_far.with_lines(lines)


def fees(periods: Sequence[PlanPeriod], start: datetime, end: datetime) -> list[Fee]:
    """The plans' monthly fees for their parts of the month [start, end); those of nothing are left out."""
    priced = [
        Fee(
            period,
            prorated(
                period.plan.monthly_fee,
                period.plan.proration,
                since=period.since,
                until=period.until,
                start=start,
                end=end,
            ),
        )
        for period in periods
    ]
    return [fee for fee in priced if fee.amount]
