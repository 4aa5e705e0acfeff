"""What management tells the rest of the house. Schemas and samples stand in events/management/.

Amounts are USD, each with its exact twin in micro-USD.
"""

from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.kernel.time import iso
from gpubroker.management.fees import FeeConfig
from gpubroker.management.order import Order
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.transaction import Transaction

EVENT_TYPES = ("OrderUpdated", "TransactionUpdated", "FeesChanged")


def money(name: str, amount: MicroUsd) -> dict[str, Any]:
    """An amount in USD and its exact twin in micro-USD."""
    return {name: usd(amount), f"{name}_micros": amount}


def order_updated(order: Order, before: OrderStatus | None) -> Event:
    """`previous_status` is None for an order that was not known before."""
    data = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "seller_id": order.seller_id,
        "status": order.status.value,
        "previous_status": before.value if before else None,
        **money("amount", order.amount),
        "currency": "USD",
        "fee_version": order.terms.fee_version,
        "source": order.source,
        "billed_by": order.billed_by,
        "version": order.version,
        "timestamp": iso(order.updated_at),
    }
    return Event(type="OrderUpdated", subject=order.order_id, data=data, occurred_at=order.updated_at)


def transaction_updated(transaction: Transaction, before: TransactionStatus | None) -> Event:
    """`previous_status` is None for a transaction that was not known before."""
    data = {
        "transaction_id": transaction.transaction_id,
        "order_id": transaction.order_id,
        "user_id": transaction.user_id,
        "seller_id": transaction.seller_id,
        "status": transaction.status.value,
        "previous_status": before.value if before else None,
        **money("amount", transaction.amount),
        **money("fees", transaction.fees.total),
        **money("buyer_fee", transaction.fees.buyer),
        **money("seller_fee", transaction.fees.seller),
        **money("buyer_pays", transaction.buyer_pays),
        **money("seller_gets", transaction.seller_gets),
        "currency": "USD",
        "fee_version": transaction.fee_version,
        "source": transaction.source,
        "version": transaction.version,
        "timestamp": iso(transaction.updated_at),
    }
    return Event(
        type="TransactionUpdated",
        subject=transaction.transaction_id,
        data=data,
        occurred_at=transaction.updated_at,
    )


def fees_changed(config: FeeConfig, now: datetime) -> Event:
    data = {
        "version": config.version,
        "buyer_fee": float(config.buyer_pct),
        "seller_fee": float(config.seller_pct),
        "tiers": [
            {
                "id": tier.tier_id,
                "name": tier.name,
                "min_volume_micros": tier.minimum,
                "max_volume_micros": tier.maximum,
                "buyer_fee": float(tier.buyer_pct),
                "seller_fee": float(tier.seller_pct),
            }
            for tier in config.tiers
        ],
        "effective_from": iso(config.effective_from),
        "changed_by": config.created_by,
        "timestamp": iso(now),
    }
    return Event(type="FeesChanged", subject=f"fees:{config.version}", data=data, occurred_at=now)
