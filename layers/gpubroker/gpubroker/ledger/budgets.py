"""Budgets: what a calendar month (UTC) may cost an account, an organisation's member, or both.

The limit is a setting; what counts against it is kept by the book, in the transaction of each hold. So a budget
refuses before anything is spent, and cannot be passed by asking twice at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.kernel.schemas import View


@dataclass(frozen=True, slots=True)
class Budget:
    """limit: what a calendar month (UTC) may cost. alerts: at which of its thousandths somebody is told, ascending."""

    limit: MicroUsd
    alerts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Spending:
    """What counts against one budget in one month: captured, and held for what still runs."""

    spent: MicroUsd = 0
    held: MicroUsd = 0


def month_of(moment: datetime) -> str:
    """The calendar month that a moment counts for: `2026-05`, in UTC."""
    return f"{moment:%Y-%m}"


def of_user(user_id: str) -> str:
    """The budget of a user's own account."""
    return user_id


def of_organization(org_id: str) -> str:
    return org_id


def of_member(org_id: str, user_id: str) -> str:
    """What one member may spend of the organisation."""
    return f"{org_id}/{user_id}"


class BudgetView(View):
    """A budget and what counts against it so far. Amounts are USD; `month` is the calendar month in UTC."""

    limit: float
    limit_micros: int
    month: str
    spent: float
    spent_micros: int
    held: float
    held_micros: int
    remaining: float
    remaining_micros: int
    alerts: list[float]

    @classmethod
    def of(cls, budget: Budget, month: str, spending: Spending) -> "BudgetView":
        remaining = max(0, budget.limit - spending.spent - spending.held)
        return cls(
            limit=usd(budget.limit),
            limit_micros=budget.limit,
            month=month,
            spent=usd(spending.spent),
            spent_micros=spending.spent,
            held=usd(spending.held),
            held_micros=spending.held,
            remaining=usd(remaining),
            remaining_micros=remaining,
            alerts=[alert / 1000 for alert in budget.alerts],
        )


def view(budget: Budget | None, key: str, month: str, spending: Mapping[str, Spending]) -> BudgetView | None:
    return None if budget is None else BudgetView.of(budget, month, spending.get(key, Spending()))
