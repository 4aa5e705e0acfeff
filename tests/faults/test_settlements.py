"""Settlements from end to end in virtual time, and each call to AWS failing in turn."""

from collections.abc import Iterator

import pytest

from gpubroker.composition import settlement as composition
from gpubroker.kernel.errors import Conflict
from gpubroker.management.fees import Fees
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.requests import PayoutResult
from gpubroker.management.settlement.settlement import State
from gpubroker.management.states import TransactionStatus
from gpubroker.management.trades import Trades
from tests.faults.driver import empty
from tests.faults.settlements import (
    ADMIN,
    USD,
    SettlementWorld,
    balance,
    books_balance,
    granted,
    installed,
    open_books,
    volume,
)

FEE = 5 * USD
PRICE = 1000 * USD


@pytest.fixture(scope="module")
def books(account: None) -> Iterator[None]:
    with open_books():
        yield


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


def test_instructing_it_again_and_again_settles_it_once(world: SettlementWorld) -> None:  # (37)
    world.credit("usr_b", 2000 * USD)
    transaction_id = world.trade("usr_b")
    for _ in range(3):
        world.instruct(transaction_id)
    world.settle()
    world.instruct(transaction_id)
    world.settle()
    assert len(world.executions) == 1
    assert balance("usr_b") == 2000 * USD - PRICE - FEE
    assert volume("usr_b", "buyer", world) == PRICE


def test_without_money_it_is_refused_visibly_and_may_be_tried_again(world: SettlementWorld) -> None:
    world.credit("usr_b", PRICE)  # the fee is missing
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    refused = world.settlement("usr_b")
    assert (refused.state, refused.failure and refused.failure.code) == (State.REFUSED, "insufficient-funds")
    assert [one.state for one in refused.changes][-2:] == [State.UNDOING, State.REFUSED]
    assert balance("usr_b") == PRICE
    assert status_of(transaction_id) is TransactionStatus.COMPLETED
    world.credit("usr_b", FEE)
    world.instruct(transaction_id)
    world.settle()
    assert world.settlement("usr_b").state is State.SETTLED
    assert world.settlement("usr_b").failure is None
    assert (balance("usr_b"), balance("seller:acme")) == (0, PRICE - FEE)


def test_money_whose_hold_has_expired_is_there(world: SettlementWorld) -> None:
    world.credit("usr_b", PRICE + FEE)
    world.hold("usr_b", 10 * USD, minutes=1)
    world.advance(minutes=2)  # nobody has swept it
    world.instruct(world.trade("usr_b"))
    world.settle()
    assert world.settlement("usr_b").state is State.SETTLED


def test_an_account_that_there_is_not_is_a_refusal_too(world: SettlementWorld) -> None:
    transaction_id = world.trade("usr_nobody")
    world.instruct(transaction_id)
    world.settle()
    refused = world.settlement("usr_nobody")
    assert (refused.state, refused.failure and refused.failure.code) == (State.REFUSED, "account-not-found")


def test_what_cannot_be_shared_out_goes_back_to_the_buyer(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    world.instruct(world.trade("usr_b", seller="no account of the ledger"))
    world.settle()
    refused = world.settlement("usr_b")
    assert refused.state is State.REFUSED
    assert State.CAPTURED in [one.state for one in refused.changes]
    assert balance("usr_b") == 2000 * USD
    assert balance("escrow:ord-usr_b") == 0


def test_a_rental_is_settled_by_itself_out_of_its_escrow(world: SettlementWorld) -> None:
    world.credit("usr_r", 10 * USD)
    transaction_id = world.trade("usr_r", "seller:vastai", 2 * USD, fees=Fees(10_000, 10_000), rental=True)
    world.settle()
    settled = world.settlement("usr_r")
    assert settled.state is State.SETTLED
    assert settled.hold_id is None
    assert balance("usr_r") == 10 * USD - 2_010_000
    assert balance("seller:vastai") == 1_990_000
    assert balance("house:fees") == 20_000
    assert balance("escrow:ord-usr_r") == 0
    assert status_of(transaction_id) is TransactionStatus.SETTLED


def test_a_confirmed_cost_that_is_lower_is_given_back_once(world: SettlementWorld) -> None:
    world.credit("usr_r", 10 * USD)
    for seller, name in (("seller:vastai", "1"), ("seller:runpod", "2")):
        world.trade("usr_r", seller, 2 * USD, fees=Fees(10_000, 10_000), rental=True, name=name, of=4 * USD)
        world.finalised("usr_r", 3_000_000)  # before all of it is there, and settled: it waits in the queue
    world.finalised("usr_r", 3_000_000)
    world.settle()
    assert balance("usr_r") == 10 * USD - 3_000_000
    assert balance("seller:vastai") + balance("seller:runpod") + balance("house:fees") == 3_000_000
    assert {one.refunded for one in (world.settlement("usr_r", "1"), world.settlement("usr_r", "2"))} == {510_000}
    world.finalised("usr_r", 3_000_000)
    world.settle()
    assert balance("usr_r") == 10 * USD - 3_000_000


def test_a_part_is_reversed_with_its_fees_and_the_rest_later(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    world.reverse(transaction_id, 201, key="one")
    world.reverse(transaction_id, 201, key="one")
    settled = world.settlement("usr_b")
    (part,) = settled.reversals
    assert (part.refund, part.buyer_fee, part.seller_fee, part.from_seller) == (
        201 * USD,
        1 * USD,
        1 * USD,
        199 * USD,
    )
    assert balance("usr_b") == 2000 * USD - PRICE - FEE + 201 * USD
    assert settled.state is State.SETTLED
    assert volume("usr_b", "buyer", world) == PRICE
    world.reverse(transaction_id, key="two")
    assert world.settlement("usr_b").state is State.REVERSED
    assert status_of(transaction_id) is TransactionStatus.REVERSED
    assert balance("usr_b") == 2000 * USD
    assert balance("seller:acme") == balance("house:fees") == 0
    assert volume("usr_b", "buyer", world) == volume("seller:acme", "seller", world) == 0


def test_what_a_seller_lacks_is_owed_and_kept_from_the_next_settlement(world: SettlementWorld) -> None:
    world.credit("usr_b", 3000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    world.spend("seller:acme", 900 * USD)
    world.reverse(transaction_id)
    assert balance("usr_b") == 3000 * USD  # the buyer does not wait for the seller
    assert balance("seller:acme") == 0
    assert composition.settlements().owed_by("seller:acme") == 900 * USD
    assert balance("house:receivables") == -900 * USD
    world.instruct(world.trade("usr_b", name="2", order="2"))
    world.settle()
    assert composition.settlements().owed_by("seller:acme") == 0
    assert balance("house:receivables") == 0
    assert balance("seller:acme") == PRICE - FEE - 900 * USD


def test_a_frozen_seller_is_taken_nothing_from(world: SettlementWorld) -> None:
    world.credit("usr_b", 3000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    world.freeze("seller:acme")
    world.reverse(transaction_id, 100.5)
    assert balance("usr_b") == 3000 * USD - PRICE - FEE + 100_500_000
    assert balance("seller:acme") == PRICE - FEE
    assert composition.settlements().owed_by("seller:acme") == 99_500_000


def test_an_administrator_has_what_is_under_way_undone(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    for _ in range(100):
        if world.settlement("usr_b").state is State.CAPTURED:
            break
        world.step()
    world.reverse(transaction_id)
    world.settle()
    undone = world.settlement("usr_b")
    assert undone.state is State.UNDONE
    assert balance("usr_b") == 2000 * USD
    assert sorted(world.executions.values()) == ["SUCCEEDED", "SUCCEEDED"]
    with pytest.raises(Conflict):
        world.instruct(transaction_id)
    composition.settlement_desk().rerun(ADMIN, transaction_id)
    world.settle()
    assert world.settlement("usr_b").state is State.SETTLED


def test_a_payout_by_bank_is_in_one_file_and_its_return_is_on_the_account(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    world.paid_by_bank()
    transaction_id = world.trade("usr_b", amount=PRICE + 3)
    world.instruct(transaction_id)
    world.settle()
    assert balance("seller:acme") == 3  # below a cent: banks carry cents
    assert balance("house:clearing") == -2000 * USD + PRICE - FEE
    assert world.function("FilePayoutsFunction", {}) == {"filed": 1, "files_written": 1}
    assert world.function("FilePayoutsFunction", {}) == {}
    ((key, body),) = world.shelf.items()
    assert body.count(b"<CdtTrfTxInf>") == 1
    assert b'<InstdAmt Ccy="USD">995.00</InstdAmt>' in body
    (file,) = BankFiles().newest(5)
    assert (file.key, file.entries, file.total) == (key, 1, PRICE - FEE)
    world.advance(days=3, minutes=1)
    assert world.function("SweepSettlementsFunction", {}) == {"files_unconfirmed": 1}
    payout = settled_payout("usr_b", world)
    for _ in range(2):
        tell(payout, "returned")
    assert balance("seller:acme") == PRICE - FEE + 3
    world.advance(hours=1, minutes=1)
    assert world.function("SweepSettlementsFunction", {}) == {"files_confirmed": 1}
    composition.settlement_desk().rerun(ADMIN, transaction_id)  # the payee mended, say
    world.advance(minutes=1)
    world.function("FilePayoutsFunction", {})
    assert len(world.shelf) == 2
    assert balance("seller:acme") == 3
    tell(settled_payout("usr_b", world), "paid")
    assert composition.settlements().payout(settled_payout("usr_b", world)).state is PayoutState.PAID


def test_a_payout_that_has_not_left_is_cancelled_before_anything_is_reversed(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    world.paid_by_bank()
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    world.reverse(transaction_id)
    assert composition.settlements().payout(settled_payout("usr_b", world)).state is PayoutState.CANCELLED
    assert world.function("FilePayoutsFunction", {}) == {}
    assert balance("usr_b") == 2000 * USD
    assert balance("house:clearing") == -2000 * USD
    assert composition.settlements().owed_by("seller:acme") == 0


def settled_payout(buyer: str, world: SettlementWorld) -> str:
    payout = world.settlement(buyer).payout
    assert payout is not None
    return payout.payout_id


def tell(payout_id: str, status: str) -> None:
    composition.payout_desk().result(payout_id, PayoutResult.model_validate({"status": status}))


def test_a_refund_reaches_an_account_that_was_closed_meanwhile(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    world.settle()
    world.close("usr_b")
    world.reverse(transaction_id)
    assert balance("usr_b") == 2000 * USD


def test_a_closed_sellers_payout_is_not_taken_back_and_owed_instead(world: SettlementWorld) -> None:
    world.credit("usr_b", 2000 * USD)
    world.paid_by_bank()
    transaction_id = world.trade("usr_b")
    world.instruct(transaction_id)
    while world.settlement("usr_b").state is not State.PAID_OUT:
        world.step()
    world.close("seller:acme")
    world.reverse(transaction_id)
    world.settle()
    assert world.settlement("usr_b").state is State.UNDONE
    assert balance("usr_b") == 2000 * USD
    assert composition.settlements().owed_by("seller:acme") == PRICE - FEE


BEHIND = (
    "StartSettlementFunction",
    "TakeSettlementStepFunction",
    "FollowTransactionsFunction",
    "FilePayoutsFunction",
    "SweepSettlementsFunction",
)


def test_what_stands_behind_the_api_has_the_rights_that_it_uses_and_no_others(world: SettlementWorld) -> None:
    world.credit("usr_b", 5000 * USD)
    world.paid_by_bank()
    for seller, name in (("seller:acme", "1"), ("no account of the ledger", "2")):
        world.instruct(world.trade("usr_b", seller, name=name, order=name))
    world.credit("usr_r", 10 * USD)
    world.trade("usr_r", "seller:vastai", 2 * USD, fees=Fees(10_000, 10_000), rental=True)
    world.settle()
    world.hold("seller:vastai", USD, minutes=1)
    world.advance(minutes=2)
    world.finalised("usr_r", 0)
    world.settle()
    world.function("FilePayoutsFunction", {})
    world.advance(days=3, minutes=1)
    world.function("SweepSettlementsFunction", {})
    tell(settled_payout("usr_b", world), "paid")
    transaction_id = world.trade("usr_b", name="3", order="3")
    world.instruct(transaction_id)
    world.restart()  # it died
    world.advance(minutes=61)
    world.sweep()
    assert world.settlement("usr_b", "3").state is State.SETTLED
    world.instruct(world.trade("usr_r", name="4", order="4"))  # there is no money for it
    world.settle()
    for name in BEHIND:
        made = {(action, resource) for function, action, resource in world.made if function == name}
        rights = granted(world.template, name)
        assert made <= rights, name
        unused = rights - made - {("sqs", "SendMessage")}  # what fails for good goes there
        assert not unused, f"{name} may do what it never does: {unused}"
