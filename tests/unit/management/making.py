"""Orders and transactions for tests, and what the processing tier says of them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gpubroker.management.order import Order, OrderUpdate, Terms, new_order
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.transaction import Transaction, TransactionUpdate, new_transaction

NOW = datetime(2026, 5, 24, 10, 0, tzinfo=UTC)
USD = 1_000_000
TERMS = Terms(fee_version=0, buyer_pct=Decimal("0.5"), seller_pct=Decimal("0.5"))


def told_order(status: OrderStatus = OrderStatus.PENDING, **changes: Any) -> OrderUpdate:
    return OrderUpdate(**{"order_id": "ord-1", "user_id": "usr_1", "status": status, "amount": 1000 * USD} | changes)


def an_order(status: OrderStatus = OrderStatus.PENDING, **changes: Any) -> Order:
    return new_order(told_order(status, **changes), TERMS, now=NOW)


def told_trade(status: TransactionStatus = TransactionStatus.PENDING, **changes: Any) -> TransactionUpdate:
    usual = {
        "transaction_id": "txn-1",
        "order_id": "ord-1",
        "user_id": "usr_1",
        "status": status,
        "amount": 1000 * USD,
        "fees": 10 * USD,
    }
    return TransactionUpdate(**usual | changes)


def a_trade(status: TransactionStatus = TransactionStatus.PENDING, **changes: Any) -> Transaction:
    return new_transaction(told_trade(status, **changes), an_order(), now=NOW)
