"""Orders and transactions in DynamoDB: one write each, with its fact; races lose in conditions. # (14)-(26)"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpubroker.management import order as orders
from gpubroker.management import transaction as transactions
from gpubroker.management.fee_store import FeeBook
from gpubroker.management.fees import FIRST, FeeConfig
from gpubroker.management.order import Order, OrderOfAnother, OrderUpdate, OverTheOrder, new_order
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.trades import OrderNotFound, Trades, TransactionNotFound
from gpubroker.management.transaction import (
    Transaction,
    TransactionOfAnother,
    TransactionUpdate,
    new_transaction,
)
from gpubroker.management.volumes import Volumes
from gpubroker.storage.transaction import StaleVersion
from gpubroker.storage.transaction import transaction as writing
from tests.unit.management.making import NOW, TERMS, USD, told_order, told_trade

Outbox = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def trades(table: Any) -> Trades:
    return Trades(sleep=lambda _: None)


def tell(trades: Trades, told: OrderUpdate) -> Order:
    def rule(before: Order | None) -> Order:
        return orders.updated(before, told, now=NOW) if before else new_order(told, TERMS, now=NOW)

    return trades.change_order(told.user_id, told.order_id, rule)


def tell_trade(trades: Trades, told: TransactionUpdate) -> Transaction:
    def rule(before: Transaction | None, order: Order) -> Transaction:
        if before:
            return transactions.updated(before, told, order, now=NOW)
        return new_transaction(told, order, now=NOW)

    return trades.change_transaction(told.user_id, told.order_id, told.transaction_id, rule)


def test_an_order_is_kept_read_and_told_of(trades: Trades, outbox: Outbox) -> None:
    tell(trades, told_order())
    active = tell(trades, told_order(OrderStatus.ACTIVE))
    assert tell(trades, told_order(OrderStatus.ACTIVE)) == active == trades.order("ord-1")
    assert active.version == 2
    told = sorted((one["data"]["version"], one["data"]["previous_status"], one["data"]["status"]) for one in outbox())
    assert told == [(1, None, "pending"), (2, "pending", "active")]


def test_an_order_of_another_user_is_left_alone(trades: Trades, outbox: Outbox) -> None:
    order = tell(trades, told_order())
    with pytest.raises(OrderOfAnother):
        tell(trades, told_order(user_id="usr_2", amount=1))
    assert trades.order("ord-1") == order
    assert len(outbox()) == 1
    with pytest.raises(OrderNotFound):
        trades.order("ord-2")


def test_a_transaction_needs_an_order_of_its_user(trades: Trades, outbox: Outbox) -> None:
    """(24)"""
    with pytest.raises(OrderNotFound):
        tell_trade(trades, told_trade())
    tell(trades, told_order())
    with pytest.raises(OrderOfAnother):
        tell_trade(trades, told_trade(user_id="usr_2"))
    trade = tell_trade(trades, told_trade(TransactionStatus.COMPLETED))
    assert trades.transaction("txn-1") == trade
    assert trades.order("ord-1").traded == 1000 * USD
    tell(trades, told_order(order_id="ord-2", user_id="usr_2"))
    with pytest.raises(TransactionOfAnother):
        tell_trade(trades, told_trade(order_id="ord-2", user_id="usr_2"))
    with pytest.raises(TransactionNotFound):
        trades.transaction("txn-2")
    assert [one["type"] for one in outbox()].count("TransactionUpdated") == 1


def test_what_has_failed_counts_no_more(trades: Trades) -> None:
    tell(trades, told_order())
    tell_trade(trades, told_trade())
    with pytest.raises(OverTheOrder):
        tell_trade(trades, told_trade(transaction_id="txn-2", amount=1, fees=0))
    tell_trade(trades, told_trade(TransactionStatus.FAILED))
    assert trades.order("ord-1").traded == 0
    tell_trade(trades, told_trade(transaction_id="txn-2"))
    assert trades.order("ord-1").traded == 1000 * USD


def test_of_many_transactions_at_once_no_more_are_taken_than_the_order_is_worth(
    table: Any, one_call_at_a_time: None
) -> None:
    tell(Trades(), told_order(amount=5 * USD))
    refused: list[str] = []

    def one(number: int) -> None:
        told = told_trade(transaction_id=f"txn-{number}", amount=USD, fees=10_000)
        try:
            tell_trade(Trades(), told)
        except OverTheOrder:
            refused.append(told.transaction_id)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert Trades().order("ord-1").traded == 5 * USD


def test_settlement_moves_a_transaction_with_whatever_belongs_to_it(trades: Trades, outbox: Outbox) -> None:
    tell(trades, told_order())
    tell_trade(trades, told_trade(TransactionStatus.COMPLETED))
    volumes = Volumes()

    def to(status: TransactionStatus) -> Transaction:
        with writing(_item()) as tx:
            before = trades.transaction("txn-1")
            after = trades.add_settlement_move(tx, "usr_1", "txn-1", status, now=NOW)
            if status is TransactionStatus.SETTLED and after.version != before.version:
                volumes.add(tx, after.user_id, "buyer", after.amount, at=NOW)
                volumes.add(tx, after.seller_id, "seller", after.amount, at=NOW)
        return after

    for status in (TransactionStatus.SETTLING, TransactionStatus.SETTLED, TransactionStatus.SETTLED):
        assert to(status).status is status
    assert volumes.of("usr_1", "buyer", now=NOW) == 1000 * USD  # once, though settled was said twice
    assert volumes.of("seller:platform", "seller", now=NOW) == 1000 * USD
    assert volumes.of("usr_1", "seller", now=NOW) == 0
    told = {one["data"]["status"] for one in outbox() if one["type"] == "TransactionUpdated"}
    assert told == {"completed", "settling", "settled"}


def test_a_volume_is_of_the_last_thirty_days(table: Any) -> None:
    volumes = Volumes()
    for days, amount in ((0, 1), (29, 10), (30, 100), (-1, 1000)):
        with writing(_item()) as tx:
            volumes.add(tx, "usr_1", "buyer", amount, at=NOW - timedelta(days=days))
    assert volumes.of("usr_1", "buyer", now=NOW) == 11
    with writing(_item()) as tx:
        volumes.add(tx, "usr_1", "buyer", -1, at=NOW)
    assert volumes.of("usr_1", "buyer", now=NOW) == 10


def _item() -> Any:
    from gpubroker.management.items import VolumeItem

    return VolumeItem


def test_lists_have_the_newest_first_and_go_on(trades: Trades) -> None:
    for number in range(5):
        told, moment = told_order(order_id=f"ord-{number}"), NOW + timedelta(seconds=number)
        trades.change_order("usr_1", told.order_id, lambda _, told=told, at=moment: new_order(told, TERMS, now=at))  # type: ignore[misc]
    seen: list[str] = []
    before: str | None = None
    while True:
        page, before = trades.newest_orders_of("usr_1", 2, before=before)
        seen += [order.order_id for order in page]
        if before is None:
            break
    assert seen == [f"ord-{number}" for number in (4, 3, 2, 1, 0)]
    assert trades.newest_orders_of("usr_9", 2, before=None) == ([], None)
    assert trades.newest_transactions_of("usr_1", 2, before=None) == ([], None)


def test_of_the_fees_the_latest_that_has_begun_is_in_force(table: Any, outbox: Outbox) -> None:
    """(33)"""
    book = FeeBook()
    assert (book.in_force(NOW), book.newest_version()) == (FIRST, 0)

    def add(pct: str, days: int) -> FeeConfig:
        def make(version: int) -> FeeConfig:
            begins = NOW + timedelta(days=days)
            return replace(FIRST, version=version, buyer_pct=Decimal(pct), effective_from=begins)

        return book.add(make, now=NOW, idempotency=None, answer=lambda _: {})

    one, later, instead = add("1", 0), add("2", 10), add("3", 10)
    assert [one.version, later.version, instead.version] == [1, 2, 3]
    assert book.in_force(NOW) == one
    assert book.in_force(NOW + timedelta(days=9, hours=23)) == one
    assert book.in_force(NOW + timedelta(days=10)) == instead
    assert book.in_force(NOW - timedelta(seconds=1)) == FIRST
    page, onward = book.versions(2)
    assert [config.version for config in page] == [3, 2]
    assert onward is not None
    assert [config.version for config in book.versions(2, before=onward)[0]] == [1]
    assert sorted(one["data"]["version"] for one in outbox()) == [1, 2, 3]


def test_two_changes_of_the_fees_at_once_are_not_both_version_one(table: Any) -> None:
    book = FeeBook()

    def make(version: int) -> FeeConfig:
        if book.newest_version() == 0:  # somebody else is faster
            FeeBook().add(lambda n: replace(FIRST, version=n), now=NOW, idempotency=None, answer=lambda _: {})
        return replace(FIRST, version=version)

    with pytest.raises(StaleVersion):
        book.add(make, now=NOW, idempotency=None, answer=lambda _: {})
    assert book.newest_version() == 1
