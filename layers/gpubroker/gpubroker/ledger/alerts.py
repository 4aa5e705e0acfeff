"""Telling when so much of a budget is used: from the table's stream, as its counter rises; once a fraction and month.

<budget>#BUDGET   <month>#ALERT#<thousandths>   that it was told
"""

from collections.abc import Iterator

from pynamodb.attributes import UnicodeAttribute

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock, iso
from gpubroker.ledger import facts
from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.items import BudgetItem
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.personal import PersonalBudgets
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import AlreadyDone, transaction


class AlertItem(Item):
    class Meta(Table):
        env = "LEDGER_TABLE"

    told_at = UnicodeAttribute()


class Alerts:
    def __init__(self, *, organizations: Organizations, personal: PersonalBudgets, clock: Clock):
        self._organizations, self._personal, self._clock = organizations, personal, clock

    def on_rise(self, pk: str, month: str, before: MicroUsd, after: MicroUsd) -> list[int]:
        """The counter of a budget went from `before` to `after`. Gives the fractions (thousandths) that were told now.

        A counter that falls tells nothing; one that rises over a fraction again has told it before.
        """
        if after <= before:
            return []
        account_id, _, member = pk.removesuffix("#BUDGET").partition("/")
        budget = self._budget(account_id, member or None)
        if budget is None:
            return []
        return [
            alert
            for alert in reached(budget, before, after)
            if self._told_now(pk, account_id, member or None, month, alert, budget.limit, after)
        ]

    def _budget(self, account_id: str, member: str | None) -> Budget | None:
        if member is not None:
            place = self._organizations.place_of(account_id, member)
            return place.budget if place else None
        if account_id.startswith("org_"):
            return self._organizations.budget_of(account_id)
        return self._personal.of(account_id)

    def _told_now(
        self, pk: str, account_id: str, user_id: str | None, month: str, alert: int, limit: MicroUsd, used: MicroUsd
    ) -> bool:
        now = self._clock()
        event = facts.budget_alert(account_id, user_id, month, alert=alert, limit=limit, used=used, now=now)
        try:
            with transaction(BudgetItem) as tx:
                item = AlertItem(pk, f"{month}#ALERT#{alert:04d}", told_at=iso(now))
                tx.put(item, condition=AlertItem.pk.does_not_exist(), lost=AlreadyDone)
                tx.put(outbox_item(BudgetItem, event, source=facts.SOURCE))
        except AlreadyDone:
            return False
        return True


def reached(budget: Budget, before: MicroUsd, after: MicroUsd) -> Iterator[int]:
    """The fractions of a limit (thousandths) that lie in (before, after]."""
    for alert in budget.alerts:
        if before * 1000 < alert * budget.limit <= after * 1000:
            yield alert
