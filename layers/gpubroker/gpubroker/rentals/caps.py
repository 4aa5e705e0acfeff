"""Spending caps, until the ledger holds real money (DESIGN §7): how much a tenant may have running at once, by plan.

rentals    rentals that are not over
instances  instances in them
micros     committed spend: agreed price x one term, summed over the instances that are wanted or running
"""

from dataclasses import dataclass

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd
from gpubroker.rentals.rental import Holding


@dataclass(frozen=True, slots=True)
class Limits:
    rentals: int
    instances: int
    micros: MicroUsd


LIMITS: dict[Plan, Limits] = {
    Plan.FREE: Limits(rentals=2, instances=4, micros=100_000_000),
    Plan.PRO: Limits(rentals=20, instances=64, micros=10_000_000_000),
    Plan.ENTERPRISE: Limits(rentals=500, instances=2_000, micros=1_000_000_000_000),
}
"""$100, $10,000 and $1,000,000 of committed spend. The same numbers stand in docs/rentals.md; a test compares."""

MAX_COUNT = 16
"""Instances one request may ask for."""

MAX_MEMBERS = 128
"""Members a rental may have over its whole life: its item stays far below DynamoDB's 400 KB."""

MAX_DURATION_HOURS = 24 * 90


def dollars(amount: MicroUsd) -> str:
    """An amount as people write it: cents at least, and every further digit that it has."""
    whole, micros = divmod(amount, 1_000_000)
    fraction = f"{micros:06d}"
    return f"${whole:,}.{fraction[:2]}{fraction[2:].rstrip('0')}"


class CapReached(Conflict):
    code = "spending-cap-reached"
    title = "The plan's cap on what may run at once is reached"

    @classmethod
    def of(cls, plan: Plan) -> "CapReached":
        limits = LIMITS[plan]
        return cls(
            f"The plan {plan} allows {limits.rentals} rentals, {limits.instances} instances and "
            f"{dollars(limits.micros)} of committed spend at a time. End something, or ask for less."
        )


def difference(before: Holding, after: Holding) -> Holding:
    """What a change adds to the tenant's counters (negative: gives back)."""
    return Holding(after.rentals - before.rentals, after.instances - before.instances, after.micros - before.micros)
