"""Management's transactions and volumes, as settlement reads and moves them."""

from datetime import datetime

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.ports import Trade
from gpubroker.management.settlement.settlement import Funding
from gpubroker.management.settlement.shares import Shares
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.trades import OrderNotFound, Trades
from gpubroker.management.transaction import Transaction
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
            shares=_shares(found),
            # What a rental cost was captured into its order's escrow when the rental ended.
            funding=Funding.ESCROW if found.source == "rental" else Funding.ACCOUNT,
        )

    def completed_amount(self, order_id: str) -> MicroUsd | None:
        """What a rental's order came to, before fees; None while it is not over, or not heard of."""
        try:
            order = self._trades.order(order_id)
        except OrderNotFound:
            return None
        return order.amount if order.status is OrderStatus.COMPLETED else None

    def add_status(self, tx: Writes, buyer: str, transaction_id: str, status: str, at: datetime) -> None:
        """The transaction comes to a status of settlement's, as part of a larger transaction. Raises IllegalMove."""
        self._trades.add_settlement_move(tx, buyer, transaction_id, TransactionStatus(status), now=at)

    def add_settled(self, tx: Writes, buyer: str, seller: str, amount: MicroUsd, at: datetime) -> None:
        """Count a settled amount for both (take it off when negative), as part of a larger transaction.

        at: when it was settled, for what is taken off too.
        """
        self._volumes.add(tx, buyer, "buyer", amount, at=at)
        self._volumes.add(tx, seller, "seller", amount, at=at)


def _shares(transaction: Transaction) -> Shares | None:
    """None for what is no trade: over nothing, or (each fee may be rounded to the cent) with fees over its amount."""
    try:
        return Shares(transaction.amount, transaction.fees.buyer, transaction.fees.seller)
    except ValueError:
        return None
