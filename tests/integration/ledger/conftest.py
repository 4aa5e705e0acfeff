"""The book against moto's DynamoDB, on a clock of the test's making."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpubroker.ledger.book import Book, Leg, Transfer


class Clock:
    def __init__(self) -> None:
        self.now = self.begun = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(make_table: Callable[[str], Any]) -> Any:
    return make_table("ledger")


@pytest.fixture
def book(table: Any, clock: Clock) -> Book:
    return Book(clock=clock, sleep=lambda _: None)


@pytest.fixture
def funded(book: Book) -> Callable[..., str]:
    """Open an account with money on it."""

    def fund(account_id: str, amount: int, **more: Any) -> str:
        book.open(account_id, **more)
        if amount:
            book.transfer(Transfer(f"fund-{account_id}", "deposit", (Leg("house:clearing", account_id, amount),), {}))
        return account_id

    return fund
