"""What a bank's word about a payout changes: pure. What it sent back is on the seller's account again at once."""

from dataclasses import dataclass
from datetime import datetime

from gpubroker.management.settlement import facts
from gpubroker.management.settlement.facts import Fact
from gpubroker.management.settlement.movements import Movement, Post
from gpubroker.management.settlement.payouts import bank_file
from gpubroker.management.settlement.payouts.payout import Payout, PayoutState, told_by_bank


@dataclass(frozen=True, slots=True)
class PayoutStep:
    """A payout after a rule, and what is written with it in one transaction."""

    payout: Payout
    facts: tuple[Fact, ...] = ()
    movements: tuple[Movement, ...] = ()


def heard(
    payout: Payout, result: PayoutState, now: datetime, *, reference: str | None, reason: str | None
) -> PayoutStep | None:
    """`paid` or `returned`; None when that was heard before. Raises PayoutResultRefused."""
    changed = told_by_bank(payout, result, now, reference=reference, reason=reason)
    if changed is payout:
        return None
    told = (facts.payout_changed(changed, now),)
    if result is not PayoutState.RETURNED:
        return PayoutStep(changed, told)
    names = {
        "settlement_id": payout.settlement_id,
        "transaction_id": payout.transaction_id,
        "payout_id": payout.payout_id,
        "reverses": payout.payout_id,
    }
    legs = bank_file.back(payout.seller, payout.amount)
    return PayoutStep(changed, told, (Post(f"{payout.payout_id}:returned", "payout-returned", legs, names),))
