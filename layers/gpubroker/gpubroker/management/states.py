"""The states of orders and transactions, and which move leads where, as data.

The processing tier knows where an order is, and management hears of it: its word may skip states or come late, so any
state may be the first that is heard of, and a move may pass over states that lie between. It never leads back, and
never out of an end.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from gpubroker.kernel.errors import Conflict


class OrderStatus(StrEnum):
    """
    pending       asked for; its amount may still change
    open          offered to sellers
    matched       a seller took it
    provisioning  the seller makes what was ordered
    active        the buyer has it
    completed     delivered, and over
    cancelled     called off before it was delivered
    failed        could not be delivered
    """

    PENDING = "pending"
    OPEN = "open"
    MATCHED = "matched"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TransactionStatus(StrEnum):
    """
    pending    agreed; amount and fees may still change
    completed  the trade was made: it may be settled
    failed     the trade was not made
    settling   its settlement is under way
    settled    the buyer has paid, the seller and the house have been paid
    reversed   settled, and then paid back
    """

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    SETTLING = "settling"
    SETTLED = "settled"
    REVERSED = "reversed"


ORDER_MOVES: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset(OrderStatus) - {OrderStatus.PENDING},
    OrderStatus.OPEN: frozenset(
        {
            OrderStatus.MATCHED,
            OrderStatus.PROVISIONING,
            OrderStatus.ACTIVE,
            OrderStatus.COMPLETED,
            OrderStatus.CANCELLED,
            OrderStatus.FAILED,
        }
    ),
    OrderStatus.MATCHED: frozenset(
        {
            OrderStatus.PROVISIONING,
            OrderStatus.ACTIVE,
            OrderStatus.COMPLETED,
            OrderStatus.CANCELLED,
            OrderStatus.FAILED,
        }
    ),
    OrderStatus.PROVISIONING: frozenset(
        {OrderStatus.ACTIVE, OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.FAILED}
    ),
    OrderStatus.ACTIVE: frozenset({OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.FAILED}),
    OrderStatus.COMPLETED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.FAILED: frozenset(),
}

TRANSACTION_MOVES: Mapping[TransactionStatus, frozenset[TransactionStatus]] = {
    TransactionStatus.PENDING: frozenset({TransactionStatus.COMPLETED, TransactionStatus.FAILED}),
    TransactionStatus.COMPLETED: frozenset(),
    TransactionStatus.FAILED: frozenset(),
    TransactionStatus.SETTLING: frozenset(),
    TransactionStatus.SETTLED: frozenset(),
    TransactionStatus.REVERSED: frozenset(),
}
"""What the processing tier may tell."""

SETTLEMENT_MOVES: Mapping[TransactionStatus, frozenset[TransactionStatus]] = {
    TransactionStatus.COMPLETED: frozenset({TransactionStatus.SETTLING}),
    # A settlement that could not be made is undone, and may be tried again.
    TransactionStatus.SETTLING: frozenset({TransactionStatus.SETTLED, TransactionStatus.COMPLETED}),
    TransactionStatus.SETTLED: frozenset({TransactionStatus.REVERSED}),
}
"""What settlement alone does."""

OF_SETTLEMENT = frozenset({TransactionStatus.SETTLING, TransactionStatus.SETTLED, TransactionStatus.REVERSED})

Status = TypeVar("Status", OrderStatus, TransactionStatus)


class IllegalMove(Conflict):
    code = "illegal-move"
    title = "This state cannot be reached from the present one"


def require_move(what: str, before: Status, after: Status, moves: Mapping[Any, frozenset[Any]]) -> None:
    """Raises IllegalMove, which names both states and those that could follow."""
    possible = moves.get(before, frozenset())
    if after not in possible:
        onward = ", ".join(sorted(possible)) or "nothing"
        raise IllegalMove(
            f"{what} is {before} and cannot become {after}; what may follow is {onward}.",
            status_before=before.value,
            status_after=after.value,
        )
