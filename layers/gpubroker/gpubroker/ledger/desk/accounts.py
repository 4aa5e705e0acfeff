"""What callers may do with accounts: look at them, and, for services, take credits from them."""

from datetime import datetime

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Forbidden, Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import micros, usd
from gpubroker.kernel.time import Clock
from gpubroker.ledger import budgets, spending
from gpubroker.ledger.accounts import FEES, Kind, kind_of
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.ledger.budgets import Budget, month_of
from gpubroker.ledger.desk import activity
from gpubroker.ledger.desk.access import Access, Opening
from gpubroker.ledger.desk.register import Register
from gpubroker.ledger.desk.requests import BudgetSetting, DeductRequest
from gpubroker.ledger.desk.span import Span
from gpubroker.ledger.desk.views import AccountView, ActivityPage, BalanceView, DeductionView, ScopedBudgetView
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.organizations.roles import Right
from gpubroker.ledger.personal import PersonalBudgets
from gpubroker.ledger.problems import InsufficientFunds, TransferConflict
from gpubroker.ledger.transfers import Receipt
from gpubroker.storage.idempotency import KeyReused

DEDUCTION = "deduction"
EARNED = FEES
"""Where deductions go: the house's income, in shards, since every deduction writes to it."""


class AccountDesk:
    """The use cases, with what they need."""

    def __init__(
        self,
        *,
        book: Book,
        register: Register,
        access: Access,
        organizations: Organizations,
        personal: PersonalBudgets,
        clock: Clock,
    ):
        self._book, self._register, self._access = book, register, access
        self._organizations, self._personal, self._clock = organizations, personal, clock

    def account_of(self, caller: Caller, account_id: str) -> AccountView:
        """An account with the budgets in force for the caller. Raises AccountNotFound."""
        opening = self._access.to(caller, account_id, Right.SEE)
        account = self._register.account(opening.account_id, own=opening.own)
        return AccountView.of(account, self._budgets(opening))

    def balance_of(self, caller: Caller, account_id: str) -> BalanceView:
        """Of one moment: posted, held and available belong together. Raises AccountNotFound."""
        opening = self._access.to(caller, account_id, Right.SEE)
        if opening.own:
            self._register.account(opening.account_id, own=True)
        return BalanceView.of(self._book.balance(opening.account_id), self._clock())

    def activity_of(self, caller: Caller, account_id: str, span: Span, limit: int) -> tuple[ActivityPage, str | None]:
        """One page of what happened, the newest first, and the position of the next. Raises AccountNotFound."""
        if span.since and span.until and span.since >= span.until:
            raise Invalid.of("until", "must be after since")
        opening = self._access.to(caller, account_id, Right.SEE)
        self._register.account(opening.account_id, own=opening.own)
        entries, position = activity.page(self._book, opening.account_id, span, limit)
        return ActivityPage(account_id=opening.account_id, entries=entries, next_cursor=None), position

    def deduct(self, caller: Caller, account_id: str, wanted: DeductRequest, idempotency: Idempotency) -> DeductionView:
        """Take credits, down to nothing or the credit limit. One transaction; the same key and body acts once for ever.

        Raises AccountNotFound, AccountFrozen, AccountClosed, InsufficientFunds, KeyReused.
        """
        payer = self._access.to(caller, account_id, Right.SPEND).account_id
        if kind_of(payer) not in (Kind.USER, Kind.ORGANIZATION):
            raise Invalid.of("account_id", "must be a user's or an organisation's")
        amount = micros(wanted.amount)
        told = {"reason": wanted.reason, "reference": wanted.reference, "by": caller.subject}
        transfer = Transfer(
            named_id("trf", idempotency.tenant, idempotency.route, idempotency.key),
            DEDUCTION,
            (Leg(payer, EARNED, amount),),
            {name: text for name, text in told.items() if text is not None},
        )
        return DeductionView.of(payer, self._taken(transfer, amount))

    def _taken(self, transfer: Transfer, amount: int) -> Receipt:
        try:
            return self._book.transfer(transfer)
        except TransferConflict as conflict:
            raise KeyReused("Idempotency-Key: was used for another request") from conflict
        except InsufficientFunds as refusal:
            spendable = int(refusal.extras["spendable_micros"])
            raise InsufficientFunds(
                f"{usd(amount)} USD were asked for, {usd(spendable)} USD are available.",
                account_id=refusal.account_id,
                asked=usd(amount),
                asked_micros=amount,
                available=usd(spendable),
                available_micros=spendable,
            ) from refusal

    def set_budget(self, caller: Caller, account_id: str, wanted: BudgetSetting) -> AccountView:
        """The caller's own monthly budget for the own account. Raises Forbidden for an organisation's."""
        opening = self._access.to(caller, account_id, Right.FUND)
        if not opening.own:
            raise Forbidden("Budgets of organisations are set at /api/v1/organizations; a user's by the user alone.")
        self._register.account(opening.account_id, own=True)
        self._personal.set(opening.account_id, wanted.budget.budget() if wanted.budget else None)
        return self.account_of(caller, account_id)

    def _budgets(self, opening: Opening) -> list[ScopedBudgetView]:
        now = self._clock()
        account_id, member = opening.account_id, opening.member
        kind = kind_of(account_id)
        limits: list[tuple[str, str, Budget | None]] = []
        if kind is Kind.USER:
            limits.append(("account", budgets.of_user(account_id), self._personal.of(account_id)))
        if kind is Kind.ORGANIZATION:
            limits.append(("account", budgets.of_organization(account_id), self._organizations.budget_of(account_id)))
        if member is not None:
            limits.append(("member", budgets.of_member(account_id, member.user_id), member.budget))
        return _views(limits, now)


def _views(limits: list[tuple[str, str, Budget | None]], now: datetime) -> list[ScopedBudgetView]:
    month = month_of(now)
    spent = spending.spending_of([key for _, key, budget in limits if budget], month)
    views = ((scope, budgets.view(budget, key, month, spent)) for scope, key, budget in limits)
    return [ScopedBudgetView.about(scope, view) for scope, view in views if view is not None]
