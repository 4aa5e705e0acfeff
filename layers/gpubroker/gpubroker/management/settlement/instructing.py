"""Having a transaction settled: by whoever instructs it, once."""

from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import rules
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.settlement import Settlement
from gpubroker.management.settlement.transactions import Transactions
from gpubroker.storage.transaction import StaleVersion

_TRIES = 6


class Instructions:
    def __init__(self, *, settlements: Settlements, transactions: Transactions, clock: Clock):
        self._settlements, self._transactions, self._clock = settlements, transactions, clock

    def give(self, transaction_id: str, *, by: str, admin: bool = False) -> Settlement:
        """Settle a transaction. Given twice, it settles once; one that was refused is tried anew (37).

        Raises TransactionNotFound and NotSettleable; then nothing was changed.
        """
        for _ in range(_TRIES):
            trade = self._transactions.trade(transaction_id)
            if self._settlements.find(trade.buyer, transaction_id) is not None:
                return self._again(trade.buyer, transaction_id, by, admin)
            try:
                return self._settlements.create(rules.receive(trade, by=by, now=self._clock()))
            except StaleVersion:
                continue  # somebody else was first: there is a settlement now, or the transaction has changed
        return self._again(trade.buyer, transaction_id, by, admin)

    def _again(self, buyer: str, transaction_id: str, by: str, admin: bool) -> Settlement:
        return self._settlements.change(
            buyer,
            transaction_id,
            lambda one: rules.instruct_again(
                one, self._transactions.trade(transaction_id), by=by, now=self._clock(), admin=admin
            ),
        )
