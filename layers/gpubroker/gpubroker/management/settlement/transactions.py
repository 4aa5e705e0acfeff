"""Management's transactions and volumes, as settlement reads and moves them."""

from datetime import datetime

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.ports import Trade
from gpubroker.management.settlement.settlement import Funding
from gpubroker.management.settlement.shares import Shares
from gpubroker.management.states import TransactionStatus
from gpubroker.management.trades import Trades
from gpubroker.management.volumes import Volumes
from gpubroker.storage.transaction import Writes


class Transactions:
    def __init__(self, trades: Trades | None = None, volumes: Volumes | None = None):
        self._trades, self._volumes = trades or Trades(), volumes or Volumes()

    def trade(self, transaction_id: str) -> Trade:
        """Two strongly consistent reads. Raises TransactionNotFound."""
        found = self._trades.transaction(transaction_id)
        return Trade(
            transaction_id=found.transaction_id,
            order_id=found.order_id,
            buyer=found.user_id,
            seller=found.seller_id,
            status=found.status.value,
            shares=Shares(found.amount, found.fees.buyer, found.fees.seller) if found.amount else None,
            # What a rental cost was captured into its order's escrow when the rental ended.
            funding=Funding.ESCROW if found.source == "rental" else Funding.ACCOUNT,
        )

    def traded(self, order_id: str) -> MicroUsd:
        """The sum of the amounts of an order's transactions that have not failed. Raises OrderNotFound."""
        return self._trades.order(order_id).traded

    def add_status(self, tx: Writes, buyer: str, transaction_id: str, status: str, at: datetime) -> None:
        """The transaction comes to a status of settlement's, as part of a larger transaction. Raises IllegalMove."""
        self._trades.add_settlement_move(tx, buyer, transaction_id, TransactionStatus(status), now=at)

    def add_settled(self, tx: Writes, buyer: str, seller: str, amount: MicroUsd, at: datetime) -> None:
        """Count a settled amount for both (take it off when negative), as part of a larger transaction.

        at: when it was settled, for what is taken off too.
        """
        self._volumes.add(tx, buyer, "buyer", amount, at=at)
        self._volumes.add(tx, seller, "seller", amount, at=at)
