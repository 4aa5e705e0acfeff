"""A rental makes its order and its transactions here by itself.

The order has the rental's id. What a rental costs is all-in: it is taken apart into the net amount and the buyer's fee,
and the seller's fee is taken off the net amount (fees.inclusive_split). The seller is the provider; where members ran
at several, each has a transaction of its own. The facts may come twice and in any order.

A rental on the buyer's own account at the provider is billed there: its order has the amount 0, and no transaction.
"""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock
from gpubroker.management.desk import terms_now
from gpubroker.management.fee_store import FeeBook
from gpubroker.management.fees import Split, inclusive_split
from gpubroker.management.order import PLATFORM_SELLER, BilledBy, Order, Terms
from gpubroker.management.states import ORDER_MOVES, OrderStatus, TransactionStatus
from gpubroker.management.trades import Trades
from gpubroker.management.transaction import Transaction
from gpubroker.management.volumes import Volumes

STATUS_OF = {
    "RentalRequested": OrderStatus.PENDING,
    "RentalReady": OrderStatus.ACTIVE,
    "RentalFailed": OrderStatus.FAILED,
    "RentalEnded": OrderStatus.COMPLETED,
}


def transaction_id_of(rental_id: str, seller_id: str | None = None) -> str:
    """The id of a rental's transaction; where it has several, of each further one by its seller."""
    return named_id("txn", rental_id) if seller_id is None else named_id("txn", rental_id, seller_id)


class RentalOrders:
    def __init__(self, *, trades: Trades, fees: FeeBook, volumes: Volumes, clock: Clock) -> None:
        self._trades, self._fees, self._volumes, self._clock = trades, fees, volumes, clock

    def follow(self, told: dict[str, Any]) -> None:
        """Take a fact of a rental, as the bus delivers it. Raises what Trades does: then it is delivered again."""
        kind, detail, now = str(told["detail-type"]), told["detail"], self._clock()
        rental_id, data = str(detail["rental_id"]), detail["data"]
        buyer = str(data.get("account_id") or detail["user_id"])  # who pays: the renter, or an organisation of theirs
        costs = _costs(data) if kind == "RentalEnded" else {}

        def rule(before: Order | None) -> Order:
            order = before or self._opened(rental_id, buyer, _seller_of(data), now)
            return _after(order, STATUS_OF[kind], data, costs, now, is_new=before is None)

        order = self._trades.change_order(buyer, rental_id, rule)
        for seller_id, total in costs.items():
            plain = len(costs) == 1 or seller_id == order.seller_id
            transaction_id = transaction_id_of(rental_id, None if plain else seller_id)
            self._complete(order, transaction_id, seller_id, split_of(total, order.terms), now)

    def _opened(self, rental_id: str, user_id: str, seller_id: str, now: datetime) -> Order:
        return Order(
            order_id=rental_id,
            user_id=user_id,
            seller_id=seller_id,
            status=OrderStatus.PENDING,
            amount=0,
            terms=terms_now(self._fees, self._volumes, user_id, seller_id, now=now),
            created_at=now,
            updated_at=now,
            source="rental",
        )

    def _complete(self, order: Order, transaction_id: str, seller_id: str, split: Split, now: datetime) -> None:
        def rule(before: Transaction | None, order: Order) -> Transaction:
            return before or Transaction(
                transaction_id=transaction_id,
                order_id=order.order_id,
                user_id=order.user_id,
                seller_id=seller_id,
                status=TransactionStatus.COMPLETED,
                amount=split.amount,
                fees=split.fees,
                fee_version=order.terms.fee_version,
                created_at=now,
                updated_at=now,
                source="rental",
            )

        self._trades.change_transaction(order.user_id, order.order_id, transaction_id, rule)


def split_of(total: MicroUsd, terms: Terms) -> Split:
    """What a rental costs, taken apart by the terms of its order."""
    return inclusive_split(total, terms.buyer_pct, terms.seller_pct)


def _after(
    order: Order,
    status: OrderStatus,
    data: dict[str, Any],
    costs: dict[str, MicroUsd],
    now: datetime,
    *,
    is_new: bool,
) -> Order:
    """The order after a fact; the very same one when it came late or twice."""
    if not is_new and status not in ORDER_MOVES[order.status]:
        return order
    billed_by: BilledBy = "provider" if data.get("billed_by", order.billed_by) == "provider" else "gpubroker"
    amount = order.amount
    if status is OrderStatus.PENDING and billed_by == "gpubroker":
        amount = split_of(_most(data), order.terms).amount
    elif status is OrderStatus.COMPLETED:
        amount = sum(split_of(total, order.terms).amount for total in costs.values())
    return replace(order, status=status, amount=amount, billed_by=billed_by, source="rental", updated_at=now)


def _most(data: dict[str, Any]) -> MicroUsd:
    """What one term costs at most: what the order is opened with."""
    return -(-int(data["max_price_per_hour_micros"]) * int(data["duration_seconds"]) * int(data["count"]) // 3600)


def _costs(data: dict[str, Any]) -> dict[str, MicroUsd]:
    """What each seller's members cost; empty where there is nothing to settle."""
    costs = defaultdict[str, MicroUsd](int)
    if data["billed_by"] == "gpubroker":
        for line in data["lines"]:
            costs[f"seller:{line['provider']}"] += line["cost_micros"]
        if sum(costs.values()) != data["final_cost_micros"]:
            raise ValueError("the lines of the rental do not add up to what it costs")
    return {seller_id: total for seller_id, total in costs.items() if total > 0}


def _seller_of(data: dict[str, Any]) -> str:
    named = [data, *data.get("members", []), *data.get("lines", [])]
    return next((f"seller:{one['provider']}" for one in named if one.get("provider")), PLATFORM_SELLER)
