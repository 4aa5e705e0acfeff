"""Settlements from end to end in virtual time, and each call to AWS failing in turn."""

from collections.abc import Iterator

import pytest

from gpubroker.management.settlement.settlement import State
from gpubroker.management.states import TransactionStatus
from gpubroker.management.trades import Trades
from tests.faults.conftest import _create
from tests.faults.driver import empty
from tests.faults.settlements import (
    USD,
    SettlementWorld,
    balance,
    books_balance,
    installed,
    volume,
)

FEE = 5 * USD
PRICE = 1000 * USD


@pytest.fixture(scope="module")
def books(account: None) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in {
        "MANAGEMENT_TABLE": "management-under-faults",
        "LEDGER_TABLE": "ledger-under-faults",
        "TRANSACTION_TO_PAYOUT_STATE_MACHINE": "TransactionToPayoutStateMachine",
        "PAYOUT_FILES": "payout-files",
        "PAYOUT_DEBTOR_NAME": "GPUBROKER",
        "PAYOUT_DEBTOR_IBAN": "GB33BUKB20201555555555",
        "PAYOUT_DEBTOR_BIC": "BUKBGB22",
    }.items():
        patch.setenv(name, value)
    for table in ("management-under-faults", "ledger-under-faults"):
        _create(table)
    yield
    patch.undo()


@pytest.fixture
def world(books: None) -> Iterator[SettlementWorld]:
    empty()
    with installed(SettlementWorld()) as ready:
        yield ready
        books_balance()


def status_of(transaction_id: str) -> TransactionStatus:
    return Trades().transaction(transaction_id).status


def test_a_transaction_is_settled_state_by_state(world: SettlementWorld) -> None:  # (38)
    world.credit("usr_b", 2000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    assert status_of(transaction_id) is TransactionStatus.SETTLING
    world.settle()
    settled = world.settlement("usr_b")
    assert [one.state for one in settled.changes] == [
        State.RECEIVED,
        State.CHECKED,
        State.HELD,
        State.CAPTURED,
        State.SHARED,
        State.PAID_OUT,
        State.SETTLED,
    ]
    assert world.executions == {settled.settlement_id: "SUCCEEDED"}
    assert balance("usr_b") == 2000 * USD - PRICE - FEE
    assert balance("seller:acme") == PRICE - FEE
    assert balance("house:fees") == 2 * FEE
    assert balance("escrow:ord-usr_b") == 0
    assert volume("usr_b", "buyer", world) == volume("seller:acme", "seller", world) == PRICE
    assert status_of(transaction_id) is TransactionStatus.SETTLED
    kinds = [event["detail-type"] for event in world.events]
    assert kinds.count("TransactionSettled") == 1
    assert kinds.count("SettlementStateChanged") == 7
