"""Paid by bank: the money goes to clearing at once and waits there for the next file.

Banks carry cents. What is below a cent stays on the seller's account and goes with no payout.
"""

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.movements import CLEARING, Leg
from gpubroker.management.settlement.payouts.account import AccountRail
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import Payee, Prepared

CENT = 10_000
"""Micro-dollars."""


class BankFileRail:
    method = "bank_file"

    def prepare(self, payee: Payee, amount: MicroUsd) -> Prepared:
        cents = amount - amount % CENT
        if cents == 0 or payee.bank_account is None:
            return AccountRail().prepare(payee, amount)
        legs = (Leg(payee.seller, CLEARING, cents),)
        return Prepared(self.method, PayoutState.INSTRUCTED, cents, legs, payee.bank_account)


def back(seller: str, amount: MicroUsd) -> tuple[Leg, ...]:
    """The legs of a payout that did not leave, or came back."""
    return (Leg(CLEARING, seller, amount),)
