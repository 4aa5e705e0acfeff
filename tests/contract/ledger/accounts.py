"""Every fact that accounts, organisations, deposits and withdrawals tell, told as they tell it."""

from dataclasses import replace
from datetime import UTC, datetime

from gpubroker.kernel.events import Event
from gpubroker.ledger import facts
from gpubroker.ledger.funding import deposit as deposits
from gpubroker.ledger.funding import withdrawal as withdrawals
from gpubroker.ledger.funding.deposit import Deposit, DepositState
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalState

NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)
ACCOUNT = "usr_01KSCN0000000000000000000A"
ADMIN = "usr_01KSCN0000000000000000000Z"
DEPOSIT = Deposit(
    deposit_id="dep_01KSCN0000000000000000000A",
    account_id=ACCOUNT,
    amount=25_500_000,
    state=DepositState.REQUESTED,
    requested_at=NOW,
    requested_by=ACCOUNT,
    payment_method_id="pm_01KSCN0000000000000000000A",
)
WITHDRAWAL = Withdrawal(
    withdrawal_id="wdr_01KSCN0000000000000000000A",
    account_id=ACCOUNT,
    amount=10_000_000,
    destination="DE89 3704 0044 0532 0130 00",
    state=WithdrawalState.REQUESTED,
    requested_at=NOW,
    requested_by=ACCOUNT,
)


def events() -> dict[str, list[Event]]:
    """By type; the first of each is what its sample shows."""
    paid = deposits.completed(DEPOSIT, "pay_01KSCN0000000000000000000A", DEPOSIT.amount, NOW)
    approved = withdrawals.moved(WITHDRAWAL, WithdrawalState.APPROVED, by=ADMIN, reason="checked", now=NOW)
    state = {"state": "open", "credit_limit_micros": 0}
    return {
        facts.DEPOSIT_REQUESTED: [
            facts.deposit_requested(DEPOSIT),
            facts.deposit_requested(replace(DEPOSIT, payment_method_id=None)),
        ],
        facts.DEPOSIT_CHANGED: [
            facts.deposit_changed(paid, NOW),
            facts.deposit_changed(deposits.cancelled(DEPOSIT, NOW), NOW),
            facts.deposit_changed(deposits.processing(DEPOSIT, "pay_1", NOW), NOW),
            facts.deposit_changed(deposits.failed(DEPOSIT, "pay_1", "declined", NOW), NOW),
        ],
        facts.WITHDRAWAL_CHANGED: [
            facts.withdrawal_changed(approved, NOW),
            facts.withdrawal_changed(WITHDRAWAL, NOW),
        ],
        facts.INTERVENTION: [
            facts.intervention(
                "freeze",
                ACCOUNT,
                by=ADMIN,
                reason="a stolen card",
                before=state,
                after=state | {"state": "frozen"},
                now=NOW,
            ),
            facts.intervention("reverse", "trf_1", by=ADMIN, reason="a mistake", after={"amount_micros": 1}, now=NOW),
        ],
        facts.BUDGET_ALERT: [
            facts.budget_alert(ACCOUNT, None, "2026-05", alert=800, limit=50_000_000, used=41_500_000, now=NOW),
            facts.budget_alert(
                "org_01KSCN0000000000000000000A", ACCOUNT, "2026-05", alert=1000, limit=5, used=5, now=NOW
            ),
        ],
        facts.ORGANIZATION_CHANGED: [
            facts.organization_changed(
                "org_01KSCN0000000000000000000A",
                "member-added",
                by=ACCOUNT,
                now=NOW,
                user_id="usr_01KSCN0000000000000000000B",
                role="member",
            ),
            facts.organization_changed("org_01KSCN0000000000000000000A", "closed", by=ACCOUNT, now=NOW),
        ],
    }
