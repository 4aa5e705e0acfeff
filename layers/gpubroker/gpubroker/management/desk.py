"""What callers may do with orders, transactions and fees."""

from datetime import datetime

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock, parse_iso
from gpubroker.management import order as orders
from gpubroker.management import transaction as transactions
from gpubroker.management.fee_store import FeeBook
from gpubroker.management.fees import FeeConfig, require_sound
from gpubroker.management.items import FeeItem, OrderItem, TransactionItem
from gpubroker.management.order import PLATFORM_SELLER, Order, Terms, new_order
from gpubroker.management.replays import replayed
from gpubroker.management.requests import FeeChangeRequest, OrderUpdateRequest, TransactionUpdateRequest
from gpubroker.management.trades import Trades
from gpubroker.management.transaction import Transaction, new_transaction
from gpubroker.management.views import (
    Done,
    FeesView,
    FeeVersionPage,
    FeeVersionView,
    OrderPage,
    OrderView,
    TransactionPage,
    TransactionView,
)
from gpubroker.management.volumes import Volumes

ORDER_STORED = Done(message="Order update stored")
TRANSACTION_STORED = Done(message="Transaction update stored")


def terms_now(fees: FeeBook, volumes: Volumes, buyer: str, seller: str, *, now: datetime) -> Terms:
    """What an order that is made now will pay: each side by its own volume, by the version in force. Three reads."""
    config = fees.in_force(now)
    return Terms(
        fee_version=config.version,
        buyer_pct=config.pct_of("buyer", volumes.of(buyer, "buyer", now=now)),
        seller_pct=config.pct_of("seller", volumes.of(seller, "seller", now=now)),
    )


class TradeDesk:
    def __init__(self, *, trades: Trades, fees: FeeBook, volumes: Volumes, clock: Clock) -> None:
        self._trades, self._fees, self._volumes, self._clock = trades, fees, volumes, clock

    def tell_order(self, wanted: OrderUpdateRequest, idempotency: Idempotency | None) -> Done:
        """Store what is told of an order. Raises what order.updated does."""
        told, now = wanted.told(), self._clock()

        def rule(before: Order | None) -> Order:
            if before is not None:
                return orders.updated(before, told, now=now)
            seller = told.seller_id or PLATFORM_SELLER
            return new_order(told, terms_now(self._fees, self._volumes, told.user_id, seller, now=now), now=now)

        try:
            self._trades.change_order(
                told.user_id, told.order_id, rule, idempotency=idempotency, answer=ORDER_STORED.model_dump()
            )
        except Problem as problem:
            return Done.model_validate(replayed(OrderItem, idempotency, problem))
        return ORDER_STORED

    def tell_transaction(self, wanted: TransactionUpdateRequest, idempotency: Idempotency | None) -> Done:
        """Store what is told of a transaction. Raises what transaction.updated and Trades.change_transaction do."""
        told, now = wanted.told(), self._clock()

        def rule(before: Transaction | None, order: Order) -> Transaction:
            if before is not None:
                return transactions.updated(before, told, order, now=now)
            return new_transaction(told, order, now=now)

        try:
            self._trades.change_transaction(
                told.user_id,
                told.order_id,
                told.transaction_id,
                rule,
                idempotency=idempotency,
                answer=TRANSACTION_STORED.model_dump(),
            )
        except Problem as problem:
            return Done.model_validate(replayed(TransactionItem, idempotency, problem))
        return TRANSACTION_STORED

    def order(self, order_id: str) -> OrderView:
        return OrderView.of(self._trades.order(order_id))

    def transaction(self, transaction_id: str) -> TransactionView:
        return TransactionView.of(self._trades.transaction(transaction_id))

    def orders_of(self, user_id: str, limit: int, before: str | None) -> tuple[OrderPage, str | None]:
        """One page, the newest first, and the position that the next goes on from."""
        found, onward = self._trades.newest_orders_of(user_id, limit, before=before)
        return OrderPage(orders=[OrderView.of(one) for one in found]), onward

    def transactions_of(self, user_id: str, limit: int, before: str | None) -> tuple[TransactionPage, str | None]:
        found, onward = self._trades.newest_transactions_of(user_id, limit, before=before)
        return TransactionPage(transactions=[TransactionView.of(one) for one in found]), onward


class FeeDesk:
    def __init__(self, *, fees: FeeBook, clock: Clock) -> None:
        self._fees, self._clock = fees, clock

    def in_force(self) -> FeesView:
        return FeesView.of(self._fees.in_force(self._clock()))

    def change(self, caller: Caller, wanted: FeeChangeRequest, idempotency: Idempotency | None) -> FeeVersionView:
        """Write the next version; orders that are made from `effective_from` on go by it, older ones keep theirs.

        Raises Invalid with every wrong field, StaleVersion when another change was faster.
        """
        now = self._clock()
        try:
            begins = _begins(wanted.effective_from, now)
            tiers = tuple(tier.tier() for tier in wanted.tiers)
            require_sound(wanted.buyer_fee, wanted.seller_fee, tiers)
            config = self._fees.add(
                lambda version: FeeConfig(
                    version=version,
                    buyer_pct=wanted.buyer_fee,
                    seller_pct=wanted.seller_fee,
                    tiers=tiers,
                    effective_from=begins,
                    created_at=now,
                    created_by=caller.subject,
                ),
                now=now,
                idempotency=idempotency,
                answer=lambda made: FeeVersionView.of(made).model_dump(mode="json"),
            )
        except Problem as problem:
            return FeeVersionView.model_validate(replayed(FeeItem, idempotency, problem))
        return FeeVersionView.of(config)

    def versions(self, limit: int, before: str | None) -> tuple[FeeVersionPage, str | None]:
        found, onward = self._fees.versions(limit, before=before)
        return FeeVersionPage(versions=[FeeVersionView.of(one) for one in found]), onward


def _begins(text: str | None, now: datetime) -> datetime:
    if text is None:
        return now
    try:
        begins = parse_iso(text)
    except ValueError:
        raise Invalid.of("effective_from", "is not a moment of RFC 3339 with a time zone") from None
    if begins < now:
        raise Invalid.of("effective_from", "is in the past: what orders were promised stays as it was")
    return begins
