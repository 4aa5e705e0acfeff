"""An order, and what may happen to it. Pure: orders in, orders and facts out."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.management.states import ORDER_MOVES, OrderStatus, require_move

PLATFORM_SELLER = "seller:platform"
"""Who sells where nobody is named."""

Source = Literal["api", "rental"]
BilledBy = Literal["gpubroker", "provider"]


class OrderOfAnother(Conflict):
    code = "order-of-another-user"
    title = "This order belongs to another user"


class OrderFixed(Conflict):
    """Amount and seller of an order stand fast once it is past pending."""

    code = "order-fixed"
    title = "This of an order can no longer be changed"


class KeptByTheHouse(Conflict):
    code = "kept-by-the-house"
    title = "The house itself keeps what belongs to a rental"


class OverTheOrder(Conflict):
    """The transactions of an order are never more than its amount."""

    code = "over-the-order"
    title = "The transactions would be more than their order"


class OrderOver(Conflict):
    code = "order-over"
    title = "The order was cancelled or has failed"


@dataclass(frozen=True, slots=True)
class Terms:
    """The fees, fixed when the order was made: the version of the configuration, and what it meant for each side."""

    fee_version: int
    buyer_pct: Decimal
    seller_pct: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """
    amount      what the seller asks for, in micro-USD: the buyer's fee comes on top, the seller's is taken off
    traded      the sum of the amounts of its transactions that have not failed; never over `amount`
    source      who keeps it: the processing tier (`api`), or a rental of the house (all-in: amount + buyer fee is
                what the rental costs)
    billed_by   `provider` where the buyer's own account was used: then amount is 0 and nothing is to settle
    """

    order_id: str
    user_id: str
    seller_id: str
    status: OrderStatus
    amount: MicroUsd
    terms: Terms
    created_at: datetime
    updated_at: datetime
    traded: MicroUsd = 0
    source: Source = "api"
    billed_by: BilledBy = "gpubroker"
    version: int = 1


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What the processing tier says of an order. seller_id None: as it was, or the platform."""

    order_id: str
    user_id: str
    status: OrderStatus
    amount: MicroUsd
    seller_id: str | None = None


def new_order(told: OrderUpdate, terms: Terms, *, now: datetime) -> Order:
    """An order that was not heard of before, in whatever state it is (states.py says why)."""
    return Order(
        order_id=told.order_id,
        user_id=told.user_id,
        seller_id=told.seller_id or PLATFORM_SELLER,
        status=told.status,
        amount=told.amount,
        terms=terms,
        created_at=now,
        updated_at=now,
    )


def updated(order: Order, told: OrderUpdate, *, now: datetime) -> Order:
    """The order after an update; the very same one when it says nothing new.

    Raises IllegalMove, OrderOfAnother, OrderFixed, OverTheOrder, KeptByTheHouse.
    """
    if told.user_id != order.user_id:
        raise OrderOfAnother(f"The order {order.order_id} belongs to another user than {told.user_id}.")
    seller = told.seller_id or order.seller_id
    same = (told.amount, seller) == (order.amount, order.seller_id)
    if same and told.status is order.status:
        return order
    if order.source != "api":
        raise KeptByTheHouse(f"The order {order.order_id} is kept by its {order.source}.")
    if told.status is not order.status:
        require_move(f"The order {order.order_id}", order.status, told.status, ORDER_MOVES)
    if not same:
        _require_open_to_change(order, told, seller)
    return replace(order, status=told.status, amount=told.amount, seller_id=seller, updated_at=now)


def _require_open_to_change(order: Order, told: OrderUpdate, seller: str) -> None:
    if order.status is not OrderStatus.PENDING:
        field, was = ("amount", usd(order.amount)) if told.amount != order.amount else ("sellerId", order.seller_id)
        raise OrderFixed(f"{field}: the order {order.order_id} is {order.status}, so it stays {was}.")
    if seller != order.seller_id and order.traded:
        raise OrderFixed(f"sellerId: the order {order.order_id} has transactions, so it stays {order.seller_id}.")
    if told.amount < order.traded:
        raise OverTheOrder(
            f"amount: the transactions of the order {order.order_id} come to {usd(order.traded)} already."
        )


def with_trade(order: Order, change: MicroUsd, *, now: datetime) -> Order:
    """The order after the sum of its transactions moved. Raises OrderOver, OverTheOrder."""
    if change > 0 and order.status in (OrderStatus.CANCELLED, OrderStatus.FAILED):
        raise OrderOver(f"The order {order.order_id} is {order.status}: nothing can be traded on it.")
    traded = order.traded + change
    if change > 0 and traded > order.amount:
        raise OverTheOrder(
            f"amount: with it the transactions of the order {order.order_id} come to {usd(traded)}, "
            f"and its amount is {usd(order.amount)}."
        )
    return replace(order, traded=traded, updated_at=now)
