"""Paid on the account: the money is on the seller's balance since it left escrow, so there is nothing to move."""

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import Payee, Prepared


class AccountRail:
    method = "account"

    def prepare(self, payee: Payee, amount: MicroUsd) -> Prepared:
        return Prepared(self.method, PayoutState.KEPT, amount)
