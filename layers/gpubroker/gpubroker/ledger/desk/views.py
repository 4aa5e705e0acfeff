"""Accounts as those see them who may. Amounts are USD; `..._micros` says the same exactly."""

from datetime import datetime

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.ledger.accounts import CURRENCY, Account, Balance, Kind, State
from gpubroker.ledger.budgets import BudgetView
from gpubroker.ledger.holds import HeldFunds, HoldState
from gpubroker.ledger.transfers import Receipt


class ScopedBudgetView(BudgetView):
    """scope: `account` (all of the account), or `member` (what the caller may spend of an organisation's)."""

    scope: str

    @classmethod
    def about(cls, scope: str, view: BudgetView) -> "ScopedBudgetView":
        return cls(scope=scope, **view.model_dump())


class AccountView(View):
    """An account. `budgets` are those in force for the caller, with what counts against them this month."""

    account_id: str
    kind: Kind
    state: State
    owner: str
    currency: str
    opened_at: str
    credit_limit: float
    credit_limit_micros: int
    budgets: list[ScopedBudgetView]

    @classmethod
    def of(cls, account: Account, budgets: list[ScopedBudgetView]) -> "AccountView":
        return cls(
            account_id=account.account_id,
            kind=account.kind,
            state=account.state,
            owner=account.account_id.partition(":")[2] or account.account_id,
            currency=CURRENCY,
            opened_at=iso(account.opened_at),
            credit_limit=usd(account.credit_limit),
            credit_limit_micros=account.credit_limit,
            budgets=budgets,
        )


class BalanceView(View):
    """posted: credits less debits. held: spoken for. available: posted less held; it may go down to -credit_limit."""

    account_id: str
    posted: float
    posted_micros: int
    held: float
    held_micros: int
    available: float
    available_micros: int
    credit_limit: float
    credit_limit_micros: int
    currency: str
    as_of: str

    @classmethod
    def of(cls, balance: Balance, now: datetime) -> "BalanceView":
        return cls(
            account_id=balance.account_id,
            posted=usd(balance.posted),
            posted_micros=balance.posted,
            held=usd(balance.held),
            held_micros=balance.held,
            available=usd(balance.available),
            available_micros=balance.available,
            credit_limit=usd(balance.credit_limit),
            credit_limit_micros=balance.credit_limit,
            currency=balance.currency,
            as_of=iso(now),
        )


class DeductionView(View):
    """What was taken, once: the same key and body give this answer again."""

    transfer_id: str
    account_id: str
    amount: float
    amount_micros: int
    currency: str
    reason: str | None
    reference: str | None
    deducted_at: str

    @classmethod
    def of(cls, account_id: str, receipt: Receipt) -> "DeductionView":
        return cls(
            transfer_id=receipt.transfer_id,
            account_id=account_id,
            amount=usd(receipt.amount),
            amount_micros=receipt.amount,
            currency=CURRENCY,
            reason=receipt.reference.get("reason"),
            reference=receipt.reference.get("reference"),
            deducted_at=iso(receipt.at),
        )


class EntryView(View):
    """What one transfer did to the account. amount: over 0 where money came, below where it went. hold_id: the hold
    that was captured by it."""

    transfer_id: str
    kind: str
    amount: float
    amount_micros: int
    counterparties: list[str]
    reference: dict[str, str]
    reverses: str | None
    hold_id: str | None
    at: str


class ActivityPage(View):
    account_id: str
    entries: list[EntryView]
    next_cursor: str | None


class LegView(View):
    debit: str
    credit: str
    amount: float
    amount_micros: int


class TransferView(View):
    """A transfer as it was posted, for ever. amount: of all legs together. reverses: the transfer that it takes back,
    in whole or in part. hold_id: the hold that it captured."""

    transfer_id: str
    kind: str
    amount: float
    amount_micros: int
    currency: str
    legs: list[LegView]
    reference: dict[str, str]
    reverses: str | None
    hold_id: str | None
    at: str

    @classmethod
    def of(cls, receipt: Receipt) -> "TransferView":
        return cls(
            transfer_id=receipt.transfer_id,
            kind=receipt.kind,
            amount=usd(receipt.amount),
            amount_micros=receipt.amount,
            currency=CURRENCY,
            legs=[
                LegView(debit=leg.debit, credit=leg.credit, amount=usd(leg.amount), amount_micros=leg.amount)
                for leg in receipt.legs
            ],
            reference=dict(receipt.reference),
            reverses=receipt.reverses,
            hold_id=receipt.hold_id,
            at=iso(receipt.at),
        )


class HoldView(View):
    """A hold as it is now. amount: what is held, nothing once it is resolved; captured: what was posted of it."""

    hold_id: str
    account_id: str
    status: HoldState
    amount: float
    amount_micros: int
    captured: float
    captured_micros: int
    currency: str
    reference: dict[str, str]
    placed_at: str
    expires_at: str | None
    resolved_at: str | None

    @classmethod
    def of(cls, hold: HeldFunds) -> "HoldView":
        return cls(
            hold_id=hold.hold_id,
            account_id=hold.account_id,
            status=hold.state,
            amount=usd(hold.amount),
            amount_micros=hold.amount,
            captured=usd(hold.captured),
            captured_micros=hold.captured,
            currency=CURRENCY,
            reference=dict(hold.reference),
            placed_at=iso(hold.placed_at),
            expires_at=iso(hold.expires_at) if hold.expires_at else None,
            resolved_at=iso(hold.resolved_at) if hold.resolved_at else None,
        )
