"""A model beside the ledger checks every answer of a random walk (tests/books)."""

import random
from datetime import timedelta

import pytest

from gpubroker.ledger.book import Book
from gpubroker.ledger.problems import AccountNotFound
from tests.books.auditor import Auditor
from tests.books.faults import Failing
from tests.books.store import Store, instead_of_dynamodb
from tests.books.walk import CLEARING, FEES, LIMITS, PERIOD, Walk

ACCOUNTS = ("usr_1", "usr_2", "usr_3", "org_1", "org_2")
SELLERS = ("seller:x", "seller:y", "escrow:a")


def walk_of(clock, seed):
    def tick(span):
        clock.now += span

    book = Book(clock=clock, sleep=lambda _: None)
    for account in ACCOUNTS:
        book.open(account)
    auditor = Auditor()
    for key, limit in LIMITS.items():
        auditor.certain["budget", key] = limit
    return Walk(book, auditor, random.Random(seed), "a", ACCOUNTS, ACCOUNTS, clock, tick)


def books_balance(book, walk):
    """Every account is what the model says, nothing is held, and all sums to nothing."""
    walk.finish()
    total = 0
    for account in (*ACCOUNTS, *SELLERS, CLEARING, FEES):
        expected = walk.auditor.certain.get(("room", account), 0)
        try:
            balance = book.balance(account)
        except AccountNotFound:
            assert expected == 0, account
            continue
        assert balance.held == 0
        assert balance.available + balance.credit_limit == expected, account
        total += balance.posted
    assert total == 0
    for key, limit in LIMITS.items():
        assert limit - book.budget_use(key, PERIOD).used == walk.auditor.certain["budget", key]


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_of_a_walk_is_the_only_right_one(clock, monkeypatch, seed):
    """One writer on the store of the tests, whose calls fail now and then before or after their effect."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = Store()
    faulty = Failing(store, random.Random(seed), share=0.05)
    with instead_of_dynamodb(store):
        walk = walk_of(clock, seed)
    with instead_of_dynamodb(faulty):
        for _ in range(700):
            walk.step()
    assert {"done", "InsufficientFunds", "BudgetExceeded", "AccountFrozen", "HoldExpired"} <= set(walk.answers)
    assert len(faulty.struck) == 4
    with instead_of_dynamodb(store):
        books_balance(walk.book, walk)


def test_a_walk_on_moto_is_the_same(book, clock, table):
    walk = walk_of(clock, 99)
    for _ in range(60):
        walk.step()
    books_balance(book, walk)
    assert timedelta(0) < clock() - clock.begun
