"""The budget that a user sets for their own account, kept with it: a payer's budget, and whether the payer has an
account at all, are one read."""

from collections.abc import Callable
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.items import AccountItem
from gpubroker.ledger.problems import AccountNotFound
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import transaction


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
    """What the owner of an account has set, on the account's own item."""

    class Meta(Table):
        env = "LEDGER_TABLE"

    @classmethod
    def at(cls, user_id: str) -> "SettingItem":
        return cls(*AccountItem.key(user_id))


class PersonalBudgets:
    def of(self, user_id: str, *, unknown: Callable[[str], object] | None = None) -> Budget | None:
        """The budget of a user's own account: one strongly consistent read.

        unknown: what to do where there is no such account yet (open it, where it is its owner who acts).
        """
        try:
            return SettingItem.get(*AccountItem.key(user_id), consistent_read=True).budget
        except DoesNotExist:
            if unknown is not None:
                unknown(user_id)
            return None

    def set(self, user_id: str, budget: Budget | None) -> None:
        """The last setting counts, whatever the one before was. Raises AccountNotFound."""
        item = SettingItem.at(user_id)
        item.take_budget(budget)
        limit, alerts = SettingItem.budget_micros, SettingItem.budget_alerts
        with transaction(SettingItem) as tx:
            tx.update(
                item,
                actions=[
                    limit.remove() if budget is None else limit.set(item.budget_micros),
                    alerts.remove() if budget is None else alerts.set(item.budget_alerts),
                ],
                condition=SettingItem.pk.exists(),
                lost=AccountNotFound(f"There is no account {user_id}."),
            )
