"""What an account's usage costs and what pays it first: its plans, discounts and credits."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gpubroker.billing.credits.store import Credits
from gpubroker.billing.discounts.discount import Discount
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

    def add_uses(self, tx: Writes, account_id: str, before: Sequence[Held], after: Sequence[Discount]) -> None:
        self._discounts.add_uses(tx, account_id, before, after)

    def consume(
        self, tx: Writes, account_id: str, invoice_id: str, charges: Mapping[str, MicroUsd], month: Period
    ) -> MicroUsd:
        """Add the burning of credits for these charges (by resource) to a transaction: once for an invoice."""
        return self._credits.add_consume(tx, account_id, invoice_id, charges, since=month.start, until=month.end).amount

    def give_back(self, tx: Writes, account_id: str, invoice_id: str) -> MicroUsd:
        """Add that all credits of an invoice are whole again."""
        return self._credits.add_give_back(tx, account_id, invoice_id)
