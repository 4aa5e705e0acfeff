"""The port: what a way of paying sellers must be able to do. Another way (a chain, say) is one more file beside this.

A rail says what a payout takes from the seller's account and where it goes; the ledger's legs and the payout are
written in one transaction with the settlement. What leaves the house later (a file, a signed message) is made of the
payouts that are `instructed`, and its outcome comes back through `told_by_bank`.
"""

from dataclasses import dataclass
from typing import Protocol

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.movements import Leg
from gpubroker.management.settlement.payouts.payout import BankAccount, PayoutState


@dataclass(frozen=True, slots=True)
class Payee:
    """How a seller wants to be paid. Sellers of whom nothing is known are paid on their account.

    seller   account id, `seller:<name>`
    version  counts the writes
    """

    seller: str
    method: str = "account"
    bank_account: BankAccount | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a payout does at once: the state it begins in, what it takes, and the legs that take it."""

    method: str
    state: PayoutState
    amount: MicroUsd
    legs: tuple[Leg, ...] = ()
    bank_account: BankAccount | None = None


class PayoutRail(Protocol):
    method: str

    def prepare(self, payee: Payee, amount: MicroUsd) -> Prepared:
        """Pay out `amount` (over 0), or as much of it as this way can carry; the rest stays on the account."""
        ...
