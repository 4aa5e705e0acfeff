"""Orders and transactions: what may follow what, and what may change. # (14)-(19), (24)-(26)"""

from dataclasses import replace
from datetime import timedelta

import pytest

from gpubroker.kernel.errors import Invalid
from gpubroker.management import order as orders
from gpubroker.management import transaction as transactions
from gpubroker.management.fees import Fees
from gpubroker.management.order import KeptByTheHouse, OrderFixed, OrderOfAnother, OrderOver, OverTheOrder, with_trade
from gpubroker.management.states import (
    ORDER_MOVES,
    SETTLEMENT_MOVES,
    TRANSACTION_MOVES,
    IllegalMove,
    OrderStatus,
    TransactionStatus,
)
from gpubroker.management.transaction import TransactionFixed, TransactionOfAnother
from tests.unit.management.making import NOW, USD, a_trade, an_order, told_order, told_trade

LATER = NOW + timedelta(minutes=1)
S, T = OrderStatus, TransactionStatus
PATH = [S.PENDING, S.OPEN, S.MATCHED, S.PROVISIONING, S.ACTIVE, S.COMPLETED]


@pytest.mark.parametrize("before", list(OrderStatus))
@pytest.mark.parametrize("after", list(OrderStatus))
def test_an_order_moves_forward_or_to_an_end_and_never_back(before: OrderStatus, after: OrderStatus) -> None:
    order = an_order(before)
    ended = before in (S.COMPLETED, S.CANCELLED, S.FAILED)
    forward = after in (S.CANCELLED, S.FAILED) or (
        before in PATH and after in PATH and PATH.index(after) > PATH.index(before)
    )
    if before is after:
        assert orders.updated(order, told_order(after), now=LATER) is order
    elif forward and not ended:
        moved = orders.updated(order, told_order(after), now=LATER)
        assert (moved.status, moved.updated_at, moved.created_at) == (after, LATER, NOW)
    else:
        with pytest.raises(IllegalMove) as refused:
            orders.updated(order, told_order(after), now=LATER)
        assert f"is {before}" in refused.value.detail
        assert f"become {after}" in refused.value.detail


def test_amount_and_seller_may_change_while_an_order_is_pending() -> None:
    order = orders.updated(an_order(), told_order(amount=5, seller_id="seller:x"), now=LATER)
    assert (order.amount, order.seller_id, order.terms) == (5, "seller:x", an_order().terms)
    order = orders.updated(order, told_order(S.ACTIVE, amount=7), now=LATER)
    assert (order.amount, order.seller_id, order.status) == (7, "seller:x", S.ACTIVE)


@pytest.mark.parametrize("changes", [{"amount": 999 * USD}, {"seller_id": "seller:x"}])
@pytest.mark.parametrize("status", [S.ACTIVE, S.COMPLETED])
def test_past_pending_they_stand_fast(status: OrderStatus, changes: dict[str, object]) -> None:
    with pytest.raises(OrderFixed):
        orders.updated(an_order(S.ACTIVE), told_order(status, **changes), now=LATER)


def test_an_order_never_changes_hands() -> None:
    with pytest.raises(OrderOfAnother):
        orders.updated(an_order(), told_order(user_id="usr_2"), now=LATER)


def test_what_a_rental_keeps_the_processing_tier_may_repeat_and_not_change() -> None:
    order = replace(an_order(S.ACTIVE), source="rental")
    assert orders.updated(order, told_order(S.ACTIVE), now=LATER) is order
    with pytest.raises(KeptByTheHouse):
        orders.updated(order, told_order(S.COMPLETED), now=LATER)
    with pytest.raises(KeptByTheHouse):
        transactions.new_transaction(told_trade(), order, now=NOW)
    with pytest.raises(KeptByTheHouse):
        transactions.updated(replace(a_trade(), source="rental"), told_trade(T.FAILED), order, now=LATER)


def test_the_transactions_of_an_order_are_never_more_than_its_amount() -> None:
    order = with_trade(an_order(), 600 * USD, now=LATER)
    assert with_trade(order, 400 * USD, now=LATER).traded == 1000 * USD
    with pytest.raises(OverTheOrder, match=r"amount.*1000\.000001"):
        with_trade(order, 400 * USD + 1, now=LATER)
    with pytest.raises(OverTheOrder, match="amount"):
        orders.updated(order, told_order(amount=599 * USD), now=LATER)
    with pytest.raises(OrderFixed, match="sellerId"):
        orders.updated(order, told_order(seller_id="seller:x"), now=LATER)


@pytest.mark.parametrize("before", list(TransactionStatus))
@pytest.mark.parametrize("after", list(TransactionStatus))
def test_the_processing_tier_completes_or_fails_a_transaction_once(
    before: TransactionStatus, after: TransactionStatus
) -> None:
    trade, order = replace(a_trade(), status=before), an_order()
    of_settlement = (T.SETTLING, T.SETTLED, T.REVERSED)
    if before is after or (after is T.COMPLETED and before in of_settlement):
        assert transactions.updated(trade, told_trade(after), order, now=LATER) is trade
    elif before is T.PENDING and after in (T.COMPLETED, T.FAILED):
        moved = transactions.updated(trade, told_trade(after), order, now=LATER)
        assert (moved.status, moved.fees) == (after, Fees(5 * USD, 5 * USD))
    else:
        with pytest.raises(IllegalMove, match=f"is {before} and cannot become {after}"):
            transactions.updated(trade, told_trade(after), order, now=LATER)


@pytest.mark.parametrize("before", list(TransactionStatus))
@pytest.mark.parametrize("after", list(TransactionStatus))
def test_settlement_settles_what_is_completed_and_nothing_else(
    before: TransactionStatus, after: TransactionStatus
) -> None:
    """(26), (37)"""
    trade = replace(a_trade(), status=before)
    allowed = {(T.COMPLETED, T.SETTLING), (T.SETTLING, T.SETTLED), (T.SETTLING, T.COMPLETED), (T.SETTLED, T.REVERSED)}
    if before is after:
        assert transactions.settled_on(trade, after, now=LATER) is trade
    elif (before, after) in allowed:
        assert transactions.settled_on(trade, after, now=LATER).status is after
    else:
        with pytest.raises(IllegalMove):
            transactions.settled_on(trade, after, now=LATER)


@pytest.mark.parametrize("status", [T.SETTLING, T.SETTLED, T.REVERSED])
def test_no_transaction_is_made_as_settled(status: TransactionStatus) -> None:
    with pytest.raises(IllegalMove, match="only settlement"):
        transactions.new_transaction(told_trade(status), an_order(), now=NOW)


def test_fees_agree_with_the_terms_of_the_order() -> None:
    """(25)"""
    trade = transactions.new_transaction(told_trade(fees=10 * USD), an_order(), now=NOW)
    assert (trade.buyer_pays, trade.seller_gets, trade.fee_version) == (1005 * USD, 995 * USD, 0)
    with pytest.raises(Invalid, match=r"fees: must be 10\.0: 0\.5 % of the buyer \(5\.0\)"):
        transactions.new_transaction(told_trade(fees=10 * USD + 1), an_order(), now=NOW)
    with pytest.raises(Invalid, match="fees"):
        transactions.updated(trade, told_trade(T.COMPLETED, fees=5 * USD), an_order(), now=LATER)


def test_amount_and_fees_of_a_transaction_stand_fast_past_pending() -> None:
    changed = transactions.updated(a_trade(), told_trade(amount=500 * USD, fees=5 * USD), an_order(), now=LATER)
    assert (changed.amount, changed.fees.total) == (500 * USD, 5 * USD)
    done = a_trade(T.COMPLETED)
    with pytest.raises(TransactionFixed, match="completed"):
        transactions.updated(done, told_trade(T.COMPLETED, amount=500 * USD, fees=5 * USD), an_order(), now=LATER)


@pytest.mark.parametrize("changes", [{"user_id": "usr_2"}, {"order_id": "ord-2"}])
def test_a_transaction_stays_with_its_user_and_its_order(changes: dict[str, object]) -> None:
    """(24)"""
    with pytest.raises(TransactionOfAnother):
        transactions.updated(a_trade(), told_trade(**changes), an_order(), now=LATER)


@pytest.mark.parametrize("status", [S.CANCELLED, S.FAILED])
def test_on_an_order_that_came_to_nothing_a_transaction_can_only_fail(status: OrderStatus) -> None:
    order = an_order(status)
    with pytest.raises(OrderOver):
        transactions.new_transaction(told_trade(), order, now=NOW)
    with pytest.raises(OrderOver):
        transactions.updated(a_trade(), told_trade(T.COMPLETED), order, now=LATER)
    assert transactions.updated(a_trade(), told_trade(T.FAILED), order, now=LATER).status is T.FAILED


def test_every_state_has_its_moves_and_every_move_leads_to_a_state() -> None:
    assert set(ORDER_MOVES) == set(OrderStatus)
    assert set(TRANSACTION_MOVES) == set(TransactionStatus)
    assert all(T.SETTLED not in moves for moves in TRANSACTION_MOVES.values())
    assert set(SETTLEMENT_MOVES) < set(TransactionStatus)
