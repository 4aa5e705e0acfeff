"""Who pays for what a caller rents: the caller's own account, or that of an organisation, within their budgets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Forbidden
from gpubroker.kernel.time import Clock, utc_now
from gpubroker.ledger import budgets
from gpubroker.ledger.book import Book
from gpubroker.ledger.budgets import Budget, month_of
from gpubroker.ledger.desk.access import ME
from gpubroker.ledger.holds import BudgetCharge
from gpubroker.ledger.organizations.organization import OrganizationNotFound, State
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.organizations.roles import Right
from gpubroker.ledger.personal import PersonalBudgets
from gpubroker.ledger.problems import AccountClosed, AccountNotFound


@dataclass(frozen=True, slots=True)
class Payer:
    """The account to hold on, and the budgets that the hold counts against (NewHold.budget)."""

    account_id: str
    budgets: tuple[BudgetCharge, ...]


class Payers:
    def __init__(self, *, organizations: Organizations, personal: PersonalBudgets, opened: Callable[[str], object]):
        """opened: opens an account (Book.open)."""
        self._organizations, self._personal, self._opened = organizations, personal, opened

    def payer_of(self, caller: Caller, account_id: str | None, *, now: datetime) -> Payer:
        """The payer of a caller's rental: one's own account by default, or an organisation's where one may spend.

        One or two reads, strongly consistent. An agent spends as its owner, and an account that its owner has not
        used before is opened: there is nothing on it, which is what the hold then says.
        Raises AccountNotFound (another tenant's account, too), Forbidden (a member without the right to spend),
        AccountClosed.
        """
        if caller.role is Role.SERVICE:
            raise Forbidden("A service rents nothing.")
        if account_id is None or account_id in (ME, caller.tenant):
            budget = self._personal.of(caller.tenant, unknown=self._opened)
            return Payer(caller.tenant, _charges((budgets.of_user(caller.tenant), budget), month=month_of(now)))
        if not account_id.startswith("org_"):
            raise AccountNotFound(f"There is no account {account_id}.")
        return Payer(account_id, self.charges(account_id, caller.tenant, now=now))

    def charges(self, account_id: str, user_id: str | None, *, now: datetime) -> tuple[BudgetCharge, ...]:
        """The budgets that count when an account pays: its own, and where a member of an organisation spends
        (`user_id`), that member's. Raises AccountNotFound, Forbidden, AccountClosed for who may not spend there."""
        month = month_of(now)
        if not account_id.startswith("org_"):
            return _charges((budgets.of_user(account_id), self._personal.of(account_id)), month=month)
        whole = budgets.of_organization(account_id)
        if user_id is None:
            return _charges((whole, self._organizations.budget_of(account_id)), month=month)
        try:
            organization, member = self._organizations.seen_by(account_id, user_id)
        except OrganizationNotFound:
            raise AccountNotFound(f"There is no account {account_id}.") from None
        if not member.may(Right.SPEND):
            raise Forbidden(f"A {member.role} of {account_id} may not spend its money.")
        if organization.state is State.CLOSED:
            raise AccountClosed(f"The organisation {account_id} is closed.")
        part = (budgets.of_member(account_id, user_id), member.budget)
        return _charges((whole, organization.budget), part, month=month)


def payer_of(caller: Caller, account_id: str | None, *, clock: Clock = utc_now) -> Payer:
    """`Payers.payer_of`, now."""
    payers = Payers(organizations=Organizations(), personal=PersonalBudgets(), opened=Book().open)
    return payers.payer_of(caller, account_id, now=clock())


def _charges(*limits: tuple[str, Budget | None], month: str) -> tuple[BudgetCharge, ...]:
    return tuple(BudgetCharge(key, month, budget.limit) for key, budget in limits if budget is not None)
