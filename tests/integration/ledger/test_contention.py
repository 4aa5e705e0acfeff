"""Many writers on one account at once, on a store that refuses what meets another transaction, as DynamoDB does."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpubroker.kernel import deadline
from gpubroker.kernel.errors import Unavailable
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.ledger.problems import InsufficientFunds
from tests.books.store import Contended, instead_of_dynamodb

WRITERS = 50


def all_at_once(act, count=WRITERS):
    """What each writer's `act(number)` answers, begun together."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return act(number)
        except Exception as error:
            return type(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_fifty_writers_on_one_account_all_get_through():
    store, book = Contended(), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot")
        answers = all_at_once(
            lambda number: book.transfer(Transfer(f"t-{number}", "deposit", (Leg("house:clearing", "usr_hot", 3),)))
        )
        assert [answer.transfer_id for answer in answers] == [f"t-{number}" for number in range(WRITERS)]
        assert book.balance("usr_hot").posted == 3 * WRITERS
        assert book.balance("house:clearing").posted == -3 * WRITERS
    assert store.conflicts > 0, "or nothing was tried"


def test_fifty_holds_at_once_take_no_more_than_there_is():
    """I4: with money for twenty, twenty are placed and thirty refused."""
    store, book = Contended(seconds=0.002), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot", credit_limit=209)
        answers = all_at_once(lambda number: book.hold(NewHold(f"h-{number}", "usr_hot", 10)))
        assert answers.count(InsufficientFunds) == 30
        assert book.balance("usr_hot").held == 200


def test_one_hold_captured_and_voided_at_once_is_resolved_once():
    """I5."""
    store, book = Contended(seconds=0.002), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot", credit_limit=100)
        book.hold(NewHold("h-1", "usr_hot", 100))

        def resolve(number):
            if number % 2:
                return book.void("h-1", "usr_hot").state
            return book.capture("h-1", "usr_hot", f"c-{number}", 60, {"seller:x": 60}).transfer_id

        answers = all_at_once(resolve, 10)
        captures = [answer for answer in answers if str(answer).startswith("c-")]
        account = book.account("usr_hot")
        assert (account.held, account.debits) == (0, 60 * len(captures))
        assert len(captures) + ("voided" in answers) == 1


def test_one_id_sent_by_many_at_once_acts_once():
    """I3."""
    store, book = Contended(seconds=0.002), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot")
        deposit = Transfer("t-1", "deposit", (Leg("house:clearing", "usr_hot", 3),))
        answers = all_at_once(lambda number: book.transfer(deposit), 20)
        assert len({answer.at for answer in answers}) == 1
        assert book.account("usr_hot").postings == 1


def test_who_does_not_get_through_in_time_is_told_and_nothing_was_changed():
    store, book = Contended(), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot")
        store.busy.add(("usr_hot#ACCOUNT", "ACCOUNT"))
        before = dict(store.items)
        begun = deadline.begin(0.3)
        try:
            with pytest.raises(Unavailable) as refused:
                book.transfer(Transfer("t-1", "deposit", (Leg("house:clearing", "usr_hot", 3),)))
        finally:
            deadline.end(begun)
    assert refused.value.retry_after
    assert store.items == before
