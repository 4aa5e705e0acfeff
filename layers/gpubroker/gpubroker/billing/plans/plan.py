"""A price plan, one version of it, and the stretches of time in which an account is on one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from gpubroker.billing.rating.prices import FlatModel, ResourcePrice, Scope
from gpubroker.billing.rating.proration import Proration
from gpubroker.kernel.money import MicroUsd

STANDARD = "standard"
PLAN_PATTERN = r"^[a-z0-9][a-z0-9-]{1,62}$"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SCOPES: tuple[Scope, ...] = ("rental", "other")


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan. What is not priced costs nothing.

    effective_from  it holds from this moment until the next version's; never changed once that has come
    monthly_fee     micro-USD a month for being on the plan, for a part of a month by `proration`
    """

    plan_id: str
    version: int
    name: str
    effective_from: datetime
    prices: tuple[ResourcePrice, ...]
    monthly_fee: MicroUsd = 0
    proration: Proration = "seconds"
    description: str = ""
    created_at: datetime = EPOCH
    created_by: str = ""

    def prices_of(self, resource: str) -> list[tuple[ResourcePrice, frozenset[Scope]]]:
        """The prices of a resource, each with the scopes whose usage it rates together; together they cover all.

        A price for a scope of its own goes before the one for all; what nothing prices costs nothing.
        """
        own = {price.scope: price for price in self.prices if price.resource == resource}
        rest = frozenset(scope for scope in SCOPES if scope not in own)
        found = [(own[scope], frozenset([scope])) for scope in SCOPES if scope in own]
        if rest:
            found.append((own.get("all") or ResourcePrice(resource, FlatModel(Decimal(0))), rest))
        return found


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """[since, until) in which one version held for an account."""

    since: datetime
    until: datetime
    plan: PlanVersion


def in_force(versions: tuple[PlanVersion, ...], at: datetime) -> PlanVersion | None:
    """The version that holds at a moment; None before the first. Of two from the same moment, the later version."""
    held = [one for one in versions if one.effective_from <= at]
    return max(held, key=lambda one: (one.effective_from, one.version), default=None)


def stretches(versions: tuple[PlanVersion, ...], since: datetime, until: datetime) -> list[PlanPeriod]:
    """Which version holds when, over [since, until); a stretch before the first version has the first."""
    starts = {one.effective_from for one in versions if since < one.effective_from < until}
    moments = [since, *sorted(starts), until]
    first = min(versions, key=lambda one: (one.effective_from, one.version))
    found: list[PlanPeriod] = []
    for start, end in pairwise(moments):
        plan = in_force(versions, start) or first
        if found and found[-1].plan == plan:
            found[-1] = PlanPeriod(found[-1].since, end, plan)
        elif end > start:
            found.append(PlanPeriod(start, end, plan))
    return found
