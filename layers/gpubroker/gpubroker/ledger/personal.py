"""The budget that a user sets for their own account.

<user id>#BUDGET   SETTING   its limit and alerts
"""

from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.ledger.budgets import Budget
from gpubroker.storage.table import Item, Table


class BudgetedItem(Item):
    """Base of what carries a budget, or none."""

    budget_micros = NumberAttribute(null=True)
    budget_alerts: "ListAttribute[NumberAttribute]" = ListAttribute(of=NumberAttribute, null=True)

    @property
    def budget(self) -> Budget | None:
        if self.budget_micros is None:
            return None
        alerts: list[Any] = list(self.budget_alerts or ())
        return Budget(int(self.budget_micros), tuple(int(alert) for alert in alerts))

    def take_budget(self, budget: Budget | None) -> None:
        if budget is not None:
            alerts: list[Any] = list(budget.alerts)
            self.budget_micros, self.budget_alerts = budget.limit, alerts


class SettingItem(BudgetedItem):
    class Meta(Table):
        env = "LEDGER_TABLE"

    @classmethod
    def at(cls, user_id: str) -> "SettingItem":
        return cls(pk=f"{user_id}#BUDGET", sk="SETTING")


class PersonalBudgets:
    def of(self, user_id: str) -> Budget | None:
        """One strongly consistent read."""
        key = SettingItem.at(user_id)
        try:
            return SettingItem.get(key.pk, key.sk, consistent_read=True).budget
        except DoesNotExist:
            return None

    def set(self, user_id: str, budget: Budget | None) -> None:
        """The last setting counts."""
        item = SettingItem.at(user_id)
        item.take_budget(budget)
        item.save()
