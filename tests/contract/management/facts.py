"""One of each fact that management tells of orders, transactions and fees, as the code makes it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from gpubroker.kernel.events import Event
from gpubroker.management import facts
from gpubroker.management.fees import FIRST
from gpubroker.management.states import OrderStatus, TransactionStatus
from tests.unit.management.making import NOW, a_trade, an_order


def events() -> dict[str, Event]:
    order = replace(
        an_order(OrderStatus.ACTIVE), order_id="ord-42", user_id="usr_01KSCN0000000000000000000A", version=2
    )
    trade = replace(
        a_trade(TransactionStatus.COMPLETED),
        transaction_id="txn-42",
        order_id="ord-42",
        user_id="usr_01KSCN0000000000000000000A",
        version=2,
    )
    fees = replace(
        FIRST,
        version=1,
        buyer_pct=Decimal("0.6"),
        effective_from=NOW + timedelta(days=7),
        created_by="usr_01KSCN0000000000000000000B",
    )
    return {
        "OrderUpdated": facts.order_updated(order, OrderStatus.PENDING),
        "TransactionUpdated": facts.transaction_updated(trade, TransactionStatus.PENDING),
        "FeesChanged": facts.fees_changed(fees, NOW),
    }
