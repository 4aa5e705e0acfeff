"""Settlements against moto's DynamoDB: races, and the calls that each thing costs."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.client import BaseClient

from gpubroker.composition import settlement as composition
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.management.order import OrderUpdate, Terms, new_order
from gpubroker.management.settlement.requests import ReversalRequest
from gpubroker.management.settlement.reversing import MoreThanPaid, NotReversible
from gpubroker.management.settlement.settlement import State
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.trades import Trades
from gpubroker.management.transaction import TransactionUpdate, new_transaction
from gpubroker.management.volumes import Volumes

USD = 1_000_000
NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)
SERVICE = Caller(Role.SERVICE, "svc_tier", "svc_tier")
ADMIN = Caller(Role.ADMIN, "usr_admin", "usr_admin")
STEPS = ("check_transaction", "hold_funds", "capture_funds", "share_out", "pay_out", "conclude")
FACTORIES = ("settlement_desk", "settlement_steps", "settlements", "_book")


@pytest.fixture
def trade(make_table: Callable[[str], Any], one_call_at_a_time: None) -> Iterator[str]:
    """A completed transaction of $1000, whose buyer has $3000; its id."""
    for name in ("management", "ledger"):
        make_table(name)
    for name in FACTORIES:
        getattr(composition, name).cache_clear()
    book = Book()
    book.open("usr_b")
    book.transfer(Transfer("deposit", "deposit", (Leg("house:clearing", "usr_b", 3000 * USD),)))
    told = OrderUpdate("ord-1", "usr_b", OrderStatus.COMPLETED, 1000 * USD, "seller:acme")
    terms = Terms(0, Decimal("0.5"), Decimal("0.5"))
    Trades().change_order("usr_b", "ord-1", lambda _: new_order(told, terms, now=NOW))
    made = TransactionUpdate("txn-1", "ord-1", "usr_b", TransactionStatus.COMPLETED, 1000 * USD, 10 * USD)
    Trades().change_transaction("usr_b", "ord-1", "txn-1", lambda _, order: new_transaction(made, order, now=NOW))
    yield "txn-1"
    for name in FACTORIES:
        getattr(composition, name).cache_clear()


def take(step: str) -> None:
    composition.settlement_steps().take({"step": step, "buyer": "usr_b", "transaction_id": "txn-1"})


def at_once(*work: Callable[[], object]) -> list[Exception]:
    """All at the same time; what they raised."""
    raised: list[Exception] = []

    def one(do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(do,)) for do in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def balances() -> list[int]:
    book = Book()
    return [book.account(name).posted for name in ("usr_b", "seller:acme", "house:fees", "escrow:ord-1")]


def reverse(amount: Decimal | None, key: str) -> Callable[[], object]:
    wanted = ReversalRequest(amount=amount, reason="asked for")
    used = Idempotency.of(key, tenant="usr_admin", route="reverse", body=f"{amount}".encode())
    return lambda: composition.settlement_desk().reverse(ADMIN, "txn-1", wanted, used)


def test_twelve_instructions_and_six_workflows_at_once_settle_it_once(trade: str) -> None:
    assert at_once(*[lambda: composition.settlement_desk().execute(SERVICE, trade)] * 12) == []
    for step in STEPS:
        assert at_once(*[lambda step=step: take(step)] * 6) == []  # type: ignore[misc]
    assert balances() == [1995 * USD, 995 * USD, 10 * USD, 0]
    settled = composition.settlements().of("usr_b", trade)
    assert (settled.state, settled.executions, len(settled.changes)) == (State.SETTLED, 1, 7)
    assert Volumes().of("usr_b", "buyer", now=datetime.now(UTC)) == 1000 * USD


def test_refunds_at_once_never_come_to_more_than_was_paid(trade: str) -> None:
    composition.settlement_desk().execute(SERVICE, trade)
    for step in STEPS:
        take(step)
    raised = at_once(*[reverse(Decimal(200), f"key-{number}") for number in range(8)])
    assert {type(error) for error in raised} <= {MoreThanPaid, NotReversible}
    assert len(raised) == 3  # five of 200 fit in 1005
    assert at_once(*[reverse(Decimal(5), "last")] * 4) == []  # one key, four deliveries
    assert balances() == [3000 * USD, 0, 0, 0]
    assert composition.settlements().of("usr_b", trade).state is State.REVERSED


def test_an_undoing_beside_its_workflow_leaves_one_of_the_two(trade: str) -> None:
    composition.settlement_desk().execute(SERVICE, trade)
    take("check_transaction")

    def forward() -> None:
        for step in STEPS[1:]:
            take(step)

    at_once(forward, reverse(None, "undo"))
    state = composition.settlements().of("usr_b", trade).state
    if state is State.UNDOING:
        for step in ("cancel_payout", "return_shares", "return_funds", "conclude_undone"):
            take(step)
        state = composition.settlements().of("usr_b", trade).state
    assert state in (State.UNDONE, State.REVERSED, State.SETTLED)
    whole = [1995 * USD, 995 * USD, 10 * USD, 0]
    found = [*balances()] if state is State.SETTLED else [Book().account("usr_b").posted]
    assert found == (whole if state is State.SETTLED else [3000 * USD])
    assert Book().account("usr_b").held == 0


def test_what_a_settlement_costs_is_counted(trade: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    written = 0
    real = BaseClient._make_api_call

    def call(client: Any, operation: str, given: dict[str, Any]) -> Any:
        nonlocal written
        made[operation] += 1
        written += len(given.get("TransactItems", ()))
        return real(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    composition.settlement_desk().execute(SERVICE, trade)
    assert made == {"GetItem": 4, "TransactWriteItems": 1}
    for step in STEPS:
        take(step)
    assert made["TransactWriteItems"] == 7  # a step is one transaction
    assert (made["GetItem"], written) == (16, 45)
    made.clear()
    composition.settlement_desk().execute(SERVICE, trade)
    for step in STEPS:
        take(step)
    assert "TransactWriteItems" not in made  # what was done is not written again
