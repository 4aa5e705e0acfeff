"""Deposits and withdrawals as their owners and administrators see them."""

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.ledger.accounts import CURRENCY
from gpubroker.ledger.funding.deposit import Deposit, DepositState
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalState


class DepositView(View):
    """Money that is asked to come in. `credited` is what did; it counts, whatever was asked for."""

    deposit_id: str
    account_id: str
    status: DepositState
    amount: float
    amount_micros: int
    credited: float
    credited_micros: int
    currency: str
    payment_method_id: str | None
    payment_id: str | None
    detail: str | None
    requested_at: str
    requested_by: str
    changed_at: str | None

    @classmethod
    def of(cls, one: Deposit) -> "DepositView":
        return cls(
            deposit_id=one.deposit_id,
            account_id=one.account_id,
            status=one.state,
            amount=usd(one.amount),
            amount_micros=one.amount,
            credited=usd(one.credited),
            credited_micros=one.credited,
            currency=CURRENCY,
            payment_method_id=one.payment_method_id,
            payment_id=one.payment_id,
            detail=one.detail,
            requested_at=iso(one.requested_at),
            requested_by=one.requested_by,
            changed_at=iso(one.changed_at) if one.changed_at else None,
        )


class DepositPage(View):
    deposits: list[DepositView]
    next_cursor: str | None


class WithdrawalView(View):
    """Money that is asked to leave; it is held from the request on. `reason` is that of the last decision."""

    withdrawal_id: str
    account_id: str
    status: WithdrawalState
    amount: float
    amount_micros: int
    currency: str
    destination: str
    reason: str | None
    requested_at: str
    requested_by: str
    changed_at: str | None

    @classmethod
    def of(cls, one: Withdrawal) -> "WithdrawalView":
        return cls(
            withdrawal_id=one.withdrawal_id,
            account_id=one.account_id,
            status=one.state,
            amount=usd(one.amount),
            amount_micros=one.amount,
            currency=CURRENCY,
            destination=one.destination,
            reason=one.reason,
            requested_at=iso(one.requested_at),
            requested_by=one.requested_by,
            changed_at=iso(one.changed_at) if one.changed_at else None,
        )


class WithdrawalPage(View):
    withdrawals: list[WithdrawalView]
    next_cursor: str | None
