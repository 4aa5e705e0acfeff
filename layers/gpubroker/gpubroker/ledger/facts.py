"""What the accounts' side of the ledger tells; schemas and samples stand in events/ledger/.

Nothing here holds a destination of money or a reason's free text but the intervention's own, which the audit is for.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.ledger.amounts import told
from gpubroker.ledger.funding.deposit import Deposit
from gpubroker.ledger.funding.withdrawal import Withdrawal

SOURCE = "ledger"

DEPOSIT_REQUESTED = "DepositRequested"
DEPOSIT_CHANGED = "DepositChanged"
WITHDRAWAL_CHANGED = "WithdrawalChanged"
INTERVENTION = "AdminIntervention"
ORGANIZATION_CHANGED = "OrganizationChanged"
BUDGET_ALERT = "BudgetAlert"
EVENT_TYPES = (
    DEPOSIT_REQUESTED,
    DEPOSIT_CHANGED,
    WITHDRAWAL_CHANGED,
    INTERVENTION,
    ORGANIZATION_CHANGED,
    BUDGET_ALERT,
)


def deposit_requested(deposit: Deposit) -> Event:
    """A payment is to be made of this: its reference is the deposit's id."""
    return Event(
        DEPOSIT_REQUESTED,
        deposit.deposit_id,
        {
            "deposit_id": deposit.deposit_id,
            "account_id": deposit.account_id,
            **told("amount", deposit.amount),
            "currency": "USD",
            "payment_method_id": deposit.payment_method_id,
            "requested_by": deposit.requested_by,
        },
        occurred_at=deposit.requested_at,
    )


def deposit_changed(deposit: Deposit, now: datetime) -> Event:
    """It was cancelled, is being paid, came to nothing, or the money is here."""
    return Event(
        DEPOSIT_CHANGED,
        deposit.deposit_id,
        {
            "deposit_id": deposit.deposit_id,
            "account_id": deposit.account_id,
            "state": deposit.state.value,
            **told("amount", deposit.amount),
            **told("credited", deposit.credited),
            "payment_id": deposit.payment_id,
        },
        occurred_at=now,
    )


def withdrawal_changed(withdrawal: Withdrawal, now: datetime) -> Event:
    return Event(
        WITHDRAWAL_CHANGED,
        withdrawal.withdrawal_id,
        {
            "withdrawal_id": withdrawal.withdrawal_id,
            "account_id": withdrawal.account_id,
            "state": withdrawal.state.value,
            **told("amount", withdrawal.amount),
        },
        occurred_at=now,
    )


def intervention(
    action: str,
    subject: str,
    *,
    by: str,
    reason: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    now: datetime,
) -> Event:
    """An administrator acted by hand. subject: the account, transfer or withdrawal it was done to."""
    return Event(
        INTERVENTION,
        subject,
        {
            "action": action,
            "subject": subject,
            "by": by,
            "reason": reason,
            "before": None if before is None else dict(before),
            "after": None if after is None else dict(after),
            "at": iso(now),
        },
        occurred_at=now,
    )


def organization_changed(org_id: str, change: str, *, by: str, now: datetime, **what: Any) -> Event:
    """change: created, renamed, budget, closed, member-added, member-changed, member-removed."""
    return Event(
        ORGANIZATION_CHANGED,
        org_id,
        {"org_id": org_id, "change": change, "by": by, "what": what, "at": iso(now)},
        occurred_at=now,
    )


def budget_alert(
    account_id: str, user_id: str | None, month: str, *, alert: int, limit: MicroUsd, used: MicroUsd, now: datetime
) -> Event:
    """So much of a month's budget is held or spent. user_id: the member whose own budget it is, None for all of the
    account. alert: thousandths of the limit."""
    return Event(
        BUDGET_ALERT,
        account_id,
        {
            "account_id": account_id,
            "user_id": user_id,
            "month": month,
            "fraction": alert / 1000,
            **told("limit", limit),
            **told("used", used),
            "at": iso(now),
        },
        occurred_at=now,
    )
