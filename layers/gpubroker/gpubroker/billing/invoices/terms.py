"""What an account's usage costs and what pays it first: its plans, discounts and credits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gpubroker.billing.credits.store import Credits
from gpubroker.billing.discounts.discount import Discount, TakenOff
from gpubroker.billing.discounts.items import DiscountItem
from gpubroker.billing.discounts.store import Discounts, Held
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.plans.plan import PlanPeriod
from gpubroker.billing.plans.store import Plans
from gpubroker.kernel.money import MicroUsd
from gpubroker.storage.transaction import Writes


class Terms:
    def __init__(self, *, plans: Plans, discounts: Discounts, credits: Credits) -> None:
        self._plans, self._discounts, self._credits = plans, discounts, credits

    def plans(self, account_id: str, start: datetime, end: datetime) -> list[PlanPeriod]:
        """The plan versions that held, in order, covering [start, end)."""
        return self._plans.periods(account_id, start, end)

    def discounts(self, account_id: str) -> list[Held]:
        return self._discounts.all_of(account_id)

    @staticmethod
    def add_uses(tx: Writes, account_id: str, before: Sequence[Held], after: Sequence[Discount]) -> None:
        """Add what an invoice took off by discounts, of all its months: each discount is one write.

        Losing means StaleVersion: another invoice used it meanwhile.
        """
        for held, used in zip(before, after, strict=True):
            if held.discount != used:
                item = DiscountItem.of(account_id, used, held.version + 1)
                tx.put(item, condition=DiscountItem.version == held.version)

    def consume(
        self, tx: Writes, account_id: str, invoice_id: str, charges: Mapping[str, MicroUsd], month: Period
    ) -> MicroUsd:
        """Add the burning of credits for these charges (by resource) to a transaction: once for an invoice."""
        return self._credits.add_consume(tx, account_id, invoice_id, charges, since=month.start, until=month.end).amount

    def give_back(self, tx: Writes, account_id: str, invoice_id: str) -> MicroUsd:
        """Add that all credits of an invoice are whole again."""
        return self._credits.add_give_back(tx, account_id, invoice_id)


def with_uses(discounts: Sequence[Discount], taken: Sequence[TakenOff], period: str) -> list[Discount]:
    """The discounts after they took so much off a month."""
    off = {one.discount_id: one.amount for one in taken}
    return [
        replace(one, used=one.used | {period: one.used.get(period, 0) + off[one.discount_id]})
        if one.discount_id in off
        else one
        for one in discounts
    ]
