"""One of each fact that settlement tells, as the rules make it."""

from dataclasses import replace
from datetime import timedelta

from gpubroker.management.settlement import facts, reversing
from gpubroker.management.settlement.facts import Fact
from gpubroker.management.settlement.payouts import payout
from gpubroker.management.settlement.payouts.port import Payee
from tests.unit.management.settlements import BANK, NOW, SELLER, USD, at, payout_of, steps

ADMIN = "usr_01KSCN0000000000000000000B"


def events() -> dict[str, Fact]:
    told = steps(by_bank=True)
    reversal = reversing.reverse(
        told[-1].settlement,
        201 * USD,
        available=100 * USD,
        reversal_id="rev_01KSCN0000000000000000000C",
        by=ADMIN,
        reason="a day of it was not delivered",
        now=NOW + timedelta(hours=1),
    )
    filed = payout.filed(payout_of(told), "pof_01KSCN0000000000000000000D", NOW + timedelta(hours=7))
    return {
        "SettlementRequested": told[0].facts[0],
        "SettlementStateChanged": told[4].facts[0],
        "TransactionSettled": told[-1].facts[-1],
        "TransactionReversed": reversal.facts[0],
        "PayoutStateChanged": facts.payout_changed(filed, NOW + timedelta(hours=7)),
        "PayeeChanged": facts.payee_changed(Payee(SELLER, "bank_file", BANK), ADMIN, NOW),
    }


def refused() -> Fact:
    """A state with a reason."""
    from gpubroker.management.settlement import undoing
    from gpubroker.management.settlement.settlement import Failure

    failure = Failure("insufficient-funds", "There is not enough money on the account.")
    turned = undoing.turn_back(at("checked"), failure, NOW).settlement
    return undoing.conclude_undone(replace(turned), NOW).facts[0]
