"""Where orders and transactions are kept. Each change and its fact are one write, whose version is its condition."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.money import MicroUsd
from gpubroker.management import facts
from gpubroker.management.items import ByCreation, OrderItem, OwnerItem, TransactionItem, order_pk, transaction_pk
from gpubroker.management.order import Order, OrderOfAnother, with_trade
from gpubroker.management.states import TransactionStatus
from gpubroker.management.transaction import Transaction, TransactionOfAnother, counted, settled_on
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, Writes, transaction

_TRIES = 12
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5

T = TypeVar("T")
OrderRule = Callable[[Order | None], Order]
TransactionRule = Callable[[Transaction | None, Order], Transaction]
Answer = dict[str, Any]


class OrderNotFound(NotFound):
    code = "order-not-found"
    title = "There is no such order"


class TransactionNotFound(NotFound):
    code = "transaction-not-found"
    title = "There is no such transaction"


class Trades:
    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, jitter: Callable[[], float] = random.random):
        self._sleep, self._jitter = sleep, jitter

    # ------------------------------------------------------------ reading

    def order(self, order_id: str) -> Order:
        """Two strongly consistent reads. Raises OrderNotFound."""
        user_id = _owner(OwnerItem.of_order(order_id))
        found = self.order_of(user_id, order_id) if user_id else None
        if found is None:
            raise OrderNotFound(f"There is no order {order_id}.")
        return found

    def order_of(self, user_id: str, order_id: str) -> Order | None:
        try:
            return OrderItem.get(order_pk(user_id), order_id, consistent_read=True).value()
        except DoesNotExist:
            return None

    def transaction(self, transaction_id: str) -> Transaction:
        """Two strongly consistent reads. Raises TransactionNotFound."""
        user_id = _owner(OwnerItem.of_transaction(transaction_id))
        found = self.transaction_of(user_id, transaction_id) if user_id else None
        if found is None:
            raise TransactionNotFound(f"There is no transaction {transaction_id}.")
        return found

    def transaction_of(self, user_id: str, transaction_id: str) -> Transaction | None:
        try:
            return TransactionItem.get(transaction_pk(user_id), transaction_id, consistent_read=True).value()
        except DoesNotExist:
            return None

    def newest_orders_of(self, user_id: str, limit: int, *, before: str | None) -> tuple[list[Order], str | None]:
        """The newest first, and where to go on. The index may lag behind a write for a moment."""
        keys, onward = _newest(OrderItem, user_id, limit, before)
        found = {item.sk: item.value() for item in OrderItem.batch_get(keys, consistent_read=True)}
        return [found[key[1]] for key in keys if key[1] in found], onward

    def newest_transactions_of(
        self, user_id: str, limit: int, *, before: str | None
    ) -> tuple[list[Transaction], str | None]:
        keys, onward = _newest(TransactionItem, user_id, limit, before)
        found = {item.sk: item.value() for item in TransactionItem.batch_get(keys, consistent_read=True)}
        return [found[key[1]] for key in keys if key[1] in found], onward

    # ------------------------------------------------------------ writing

    def change_order(
        self,
        user_id: str,
        order_id: str,
        rule: OrderRule,
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Order:
        """Read, apply a rule, write; again when another writer was first. A rule that changes nothing writes nothing,
        unless there is a key to remember. Raises OrderOfAnother, AlreadyDone, and what the rule raises."""

        def attempt() -> Order:
            before = self.order_of(user_id, order_id)
            after = rule(before)
            if after is before and idempotency is None:
                return after
            with transaction(OrderItem) as tx:
                stored.remember(tx, OrderItem, idempotency, answer or {})
                if after is not before:
                    after = _put_order(tx, before, after)
                    status = before.status if before else None
                    tx.put(outbox_item(OrderItem, facts.order_updated(after, status), source="management"))
            return after

        return self._again_while_stale(order_id, attempt)

    def change_transaction(
        self,
        user_id: str,
        order_id: str,
        transaction_id: str,
        rule: TransactionRule,
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Transaction:
        """The same for a transaction; what it counts for is moved in its order in the same write.

        Raises OrderNotFound, OrderOfAnother, TransactionOfAnother, OrderOver, OverTheOrder, AlreadyDone, and what the
        rule raises.
        """

        def attempt() -> Transaction:
            order = self.order_of(user_id, order_id)
            if order is None:
                raise _missing_order(order_id)
            before = self.transaction_of(user_id, transaction_id)
            after = rule(before, order)
            if after is before and idempotency is None:
                return after
            with transaction(TransactionItem) as tx:
                stored.remember(tx, TransactionItem, idempotency, answer or {})
                if after is not before:
                    after = _put_transaction(tx, before, after)
                    _count(tx, order, counted(after) - counted(before), after)
            return after

        return self._again_while_stale(transaction_id, attempt)

    def add_settlement_move(
        self, tx: Writes, user_id: str, transaction_id: str, status: TransactionStatus, *, now: datetime
    ) -> Transaction:
        """A move of settlement (transaction.settled_on) with its fact, as part of a larger transaction, which fails
        with StaleVersion when another writer was first. A move that was made before adds nothing.

        Raises TransactionNotFound, IllegalMove.
        """
        before = self.transaction_of(user_id, transaction_id)
        if before is None:
            raise TransactionNotFound(f"There is no transaction {transaction_id}.")
        after = settled_on(before, status, now=now)
        return after if after is before else _put_transaction(tx, before, after)

    def _again_while_stale(self, what: str, attempt: Callable[[], T]) -> T:
        for number in range(_TRIES):
            try:
                return attempt()
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**number))
        raise Unavailable(f"{what} is changing too fast; try again.", retry_after=1)


def _put_order(tx: Writes, before: Order | None, after: Order) -> Order:
    if before is None:
        # The order first: where it was written a moment ago, both conditions fail and the first one tells.
        tx.put(OrderItem.of(after), condition=OrderItem.pk.does_not_exist())
        owner = OwnerItem.of_order(after.order_id, after.user_id)
        other = OrderOfAnother(f"The order {after.order_id} belongs to another user than {after.user_id}.")
        tx.put(owner, condition=OwnerItem.pk.does_not_exist(), lost=other)
        return after
    after = replace(after, version=before.version + 1)
    tx.put(OrderItem.of(after), condition=OrderItem.version == before.version)
    return after


def _put_transaction(tx: Writes, before: Transaction | None, after: Transaction) -> Transaction:
    if before is None:
        tx.put(TransactionItem.of(after), condition=TransactionItem.pk.does_not_exist())
        owner = OwnerItem.of_transaction(after.transaction_id, after.user_id)
        other = TransactionOfAnother(f"The transaction {after.transaction_id} belongs to another user.")
        tx.put(owner, condition=OwnerItem.pk.does_not_exist(), lost=other)
    else:
        after = replace(after, version=before.version + 1)
        tx.put(TransactionItem.of(after), condition=TransactionItem.version == before.version)
    status = before.status if before else None
    tx.put(outbox_item(TransactionItem, facts.transaction_updated(after, status), source="management"))
    return after


def _count(tx: Writes, order: Order, change: MicroUsd, after: Transaction) -> None:
    """Move what the order's transactions come to; where that stays, the order must still be the one that was read."""
    if change:
        _put_order(tx, order, with_trade(order, change, now=after.updated_at))
    else:
        tx.check(OrderItem(pk=order_pk(order.user_id), sk=order.order_id), OrderItem.version == order.version)


def _missing_order(order_id: str) -> Exception:
    if _owner(OwnerItem.of_order(order_id)):
        return OrderOfAnother(f"orderId: the order {order_id} belongs to another user.")
    return OrderNotFound(f"orderId: there is no order {order_id}.")


def _owner(key: OwnerItem) -> str | None:
    try:
        return str(OwnerItem.get(key.pk, key.sk, consistent_read=True).user_id)
    except DoesNotExist:
        return None


def _newest(
    model: type[OrderItem] | type[TransactionItem], user_id: str, limit: int, before: str | None
) -> tuple[list[tuple[str, str]], str | None]:
    """(pk, sk) of a page of a user's things, and the index position of the last one if more follow."""
    condition = ByCreation.gsi1sk < before if before else None
    found = list(
        model.by_creation.query(
            model.list_key(user_id), condition, scan_index_forward=False, limit=limit + 1, page_size=limit + 1
        )
    )
    onward = found[limit - 1].gsi1sk if len(found) > limit else None
    return [(item.pk, item.sk) for item in found[:limit]], onward
