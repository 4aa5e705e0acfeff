"""A transaction, and what may happen to it. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from gpubroker.kernel.errors import Conflict, Invalid
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.management.fees import Fees, acceptable_fees
from gpubroker.management.order import KeptByTheHouse, Order, OrderOver, Source
from gpubroker.management.states import (
    OF_SETTLEMENT,
    SETTLEMENT_MOVES,
    TRANSACTION_MOVES,
    IllegalMove,
    OrderStatus,
    TransactionStatus,
    require_move,
)


class TransactionOfAnother(Conflict):
    code = "transaction-of-another"
    title = "This transaction belongs to another user or another order"


class TransactionFixed(Conflict):
    """Amount and fees of a transaction stand fast once it is past pending."""

    code = "transaction-fixed"
    title = "Amount and fees of this transaction can no longer be changed"


@dataclass(frozen=True, slots=True)
class Transaction:
    """The buyer pays amount + fees.buyer, the seller gets amount - fees.seller, the house gets both fees.

    All in micro-USD. The fees are those of the order's terms, however late it is made.
    """

    transaction_id: str
    order_id: str
    user_id: str
    seller_id: str
    status: TransactionStatus
    amount: MicroUsd
    fees: Fees
    fee_version: int
    created_at: datetime
    updated_at: datetime
    source: Source = "api"
    version: int = 1

    @property
    def buyer_pays(self) -> MicroUsd:
        return self.amount + self.fees.buyer

    @property
    def seller_gets(self) -> MicroUsd:
        return self.amount - self.fees.seller


@dataclass(frozen=True, slots=True)
class TransactionUpdate:
    """What the processing tier says of a transaction. fees: both sides' together, in micro-USD."""

    transaction_id: str
    order_id: str
    user_id: str
    status: TransactionStatus
    amount: MicroUsd
    fees: MicroUsd


def fees_told(told: TransactionUpdate, order: Order) -> Fees:
    """The two fees that the sum stands for. Raises Invalid on `fees`, saying what was expected."""
    terms = order.terms
    accepted = acceptable_fees(told.amount, terms.buyer_pct, terms.seller_pct)
    for fees in accepted:
        if fees.total == told.fees:
            return fees
    exact = accepted[0]
    raise Invalid.of(
        "fees",
        f"must be {usd(exact.total)}: {terms.buyer_pct.normalize():f} % of the buyer ({usd(exact.buyer)}) and "
        f"{terms.seller_pct.normalize():f} % of the seller ({usd(exact.seller)}) by version {terms.fee_version} of the "
        "fees, which was in force when the order was made; each may be rounded to the cent",
    )


def new_transaction(told: TransactionUpdate, order: Order, *, now: datetime) -> Transaction:
    """A transaction that was not heard of before. Raises IllegalMove, OrderOver, Invalid on `fees`."""
    if told.status in OF_SETTLEMENT:
        raise IllegalMove(
            f"The transaction {told.transaction_id} is not known yet and cannot become {told.status}: "
            "only settlement makes that.",
            status_after=told.status.value,
        )
    _require_living(order, told.status)
    if order.source != "api":
        raise KeptByTheHouse(f"The order {order.order_id} is kept by its {order.source}.")
    return Transaction(
        transaction_id=told.transaction_id,
        order_id=order.order_id,
        user_id=order.user_id,
        seller_id=order.seller_id,
        status=told.status,
        amount=told.amount,
        fees=fees_told(told, order),
        fee_version=order.terms.fee_version,
        created_at=now,
        updated_at=now,
    )


def updated(transaction: Transaction, told: TransactionUpdate, order: Order, *, now: datetime) -> Transaction:
    """The transaction after an update; the very same one when it says nothing new.

    Raises IllegalMove, TransactionOfAnother, TransactionFixed, KeptByTheHouse, OrderOver, Invalid on `fees`.
    """
    name = f"The transaction {transaction.transaction_id}"
    if (told.user_id, told.order_id) != (transaction.user_id, transaction.order_id):
        raise TransactionOfAnother(f"{name} belongs to another user or another order.")
    same = (told.amount, told.fees) == (transaction.amount, transaction.fees.total)
    if same and _heard_before(transaction, told.status):
        return transaction
    if transaction.source != "api":
        raise KeptByTheHouse(f"{name} is kept by its {transaction.source}.")
    if told.status is not transaction.status:
        require_move(name, transaction.status, told.status, TRANSACTION_MOVES)
    if same:
        fees = transaction.fees
    elif transaction.status is not TransactionStatus.PENDING:
        fixed = f"amount {usd(transaction.amount)} and fees {usd(transaction.fees.total)}"
        raise TransactionFixed(f"{name} is {transaction.status}, so it keeps {fixed}.")
    else:
        fees = fees_told(told, order)
    _require_living(order, told.status)
    return replace(transaction, status=told.status, amount=told.amount, fees=fees, updated_at=now)


def settled_on(transaction: Transaction, status: TransactionStatus, *, now: datetime) -> Transaction:
    """A move that settlement makes; the very same transaction when it was made before. Raises IllegalMove."""
    if transaction.status is status:
        return transaction
    require_move(f"The transaction {transaction.transaction_id}", transaction.status, status, SETTLEMENT_MOVES)
    return replace(transaction, status=status, updated_at=now)


def counted(transaction: Transaction | None) -> MicroUsd:
    """What counts against its order."""
    if transaction is None or transaction.status is TransactionStatus.FAILED:
        return 0
    return transaction.amount


def _heard_before(transaction: Transaction, status: TransactionStatus) -> bool:
    """Whether the processing tier said this already: for it, what settlement does happens within `completed`."""
    if status is transaction.status:
        return True
    return status is TransactionStatus.COMPLETED and transaction.status in OF_SETTLEMENT


def _require_living(order: Order, status: TransactionStatus) -> None:
    over = order.status in (OrderStatus.CANCELLED, OrderStatus.FAILED)
    if over and status is not TransactionStatus.FAILED:
        raise OrderOver(f"The order {order.order_id} is {order.status}: its transactions can only fail.")
