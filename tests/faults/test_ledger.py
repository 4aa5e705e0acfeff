"""Each call to DynamoDB of each operation of the books fails in turn: before it, after it took effect, by a conflict
with another transaction, throttled.

Whoever asked asks again, as a client does that had no answer. In the end the table holds, to the item, what it holds
when nothing fails: nothing is lost, nothing is done twice, and the books balance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from gpubroker.kernel.errors import Unavailable
from gpubroker.ledger.accounts import State
from gpubroker.ledger.book import Book, BudgetCharge, Leg, NewHold, Transfer
from gpubroker.ledger.sweeps import release_expired
from tests.books.faults import MODES, failing
from tests.books.store import Store, instead_of_dynamodb

BEGUN = datetime(2026, 5, 24, 10, tzinfo=UTC)
ANNA, SELLER, ORDER = "usr_anna", "seller:x", "escrow:ord_1"
BUDGET = (BudgetCharge(ANNA, "2026-05", 500),)


@dataclass
class Play:
    """The books, and the one call of an operation that fails."""

    store: Store = field(default_factory=Store)
    now: datetime = BEGUN
    fail: tuple[int, str] | None = None
    armed: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        self.book = Book(clock=lambda: self.now, sleep=lambda _: None)

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        if not self.armed:
            return self.store(operation, arguments)
        number, self.calls = self.calls, self.calls + 1
        if self.fail is not None and self.fail[0] == number:
            return failing(self.fail[1], self.store, operation, arguments)
        return self.store(operation, arguments)

    def insist(self, act: Callable[[], Any]) -> Any:
        self.armed = True
        while True:
            try:
                answer = act()
            except (PynamoDBException, Unavailable):
                continue
            self.armed = False
            return answer


def pay(transfer_id: str, *legs: Leg) -> Transfer:
    return Transfer(transfer_id, "payment", legs)


def ready(play: Play) -> Book:
    play.book.open(ANNA)
    play.book.transfer(pay("t-0", Leg("house:clearing", ANNA, 1000)))
    return play.book


def opened(play: Play) -> Any:
    return play.insist(lambda: play.book.open(ANNA, credit_limit=5))


def transferred(play: Play) -> Any:
    book = ready(play)
    legs = (Leg(ANNA, ORDER, 300), Leg(ORDER, SELLER, 200), Leg(ANNA, "house:fees", 3))
    return play.insist(lambda: book.transfer(pay("t-1", *legs), budget=BUDGET))


def held(play: Play) -> Any:
    book = ready(play)
    return play.insist(lambda: book.hold(NewHold("h-1", ANNA, 400, budget=BUDGET)))


def _holding(play: Play, ends: datetime | None = None) -> Book:
    book = ready(play)
    book.hold(NewHold("h-1", ANNA, 400, expires_at=ends, budget=BUDGET))
    return book


def adjusted(play: Play) -> Any:
    book = _holding(play)
    return play.insist(lambda: book.adjust("h-1", ANNA, 450))


def captured(play: Play) -> Any:
    book = _holding(play)
    return play.insist(lambda: book.capture("h-1", ANNA, "c-1", 301, {ORDER: 300, "house:fees": 1}))


def voided(play: Play) -> Any:
    book = _holding(play)
    return play.insist(lambda: book.void("h-1", ANNA))


def expired(play: Play) -> Any:
    """The sweep of a minute fails; that of the next comes by."""
    book = _holding(play, BEGUN + timedelta(seconds=60))
    play.now += timedelta(seconds=60)

    def sweep() -> int:
        swept = release_expired(book, lambda: play.now)
        if swept.errors:
            raise Unavailable
        return len(swept.errors)

    return play.insist(sweep)


def held_in_place_of_an_expired_one(play: Play) -> Any:
    book = _holding(play, BEGUN + timedelta(seconds=60))
    play.now += timedelta(seconds=60)
    return play.insist(lambda: book.hold(NewHold("h-2", ANNA, 1000)))


def reversed_in_part(play: Play) -> Any:
    book = ready(play)
    book.transfer(pay("t-1", Leg(ANNA, SELLER, 90), Leg(ANNA, "house:fees", 10)))
    return play.insist(lambda: book.reverse("r-1", "t-1", 33))


def reversed_wholly(play: Play) -> Any:
    book = ready(play)
    book.transfer(pay("t-1", Leg(ANNA, SELLER, 90), Leg(ANNA, "house:fees", 10)))
    book.reverse("r-1", "t-1", 33)
    return play.insist(lambda: book.reverse("r-2", "t-1"))


def frozen(play: Play) -> Any:
    book = _holding(play)
    return play.insist(lambda: book.set_state(ANNA, State.FROZEN).state)


def limited(play: Play) -> Any:
    book = _holding(play)
    return play.insist(lambda: book.set_credit_limit(ANNA, 70).credit_limit)


SCENARIOS = (
    opened,
    transferred,
    held,
    adjusted,
    captured,
    voided,
    expired,
    held_in_place_of_an_expired_one,
    reversed_in_part,
    reversed_wholly,
    frozen,
    limited,
)


def played(scenario: Callable[[Play], Any], fail: tuple[int, str] | None = None) -> tuple[Play, Any]:
    play = Play(fail=fail)
    with instead_of_dynamodb(play):
        answer = scenario(play)
    return play, answer


def contents(play: Play) -> dict[tuple[str, str], dict[str, Any]]:
    """All items. How often an account was written may differ where a write that sets was made twice; when an outbox
    item goes, and the traces of its request, are of the real world."""
    found = {}
    for key, item in play.store.items.items():
        left_out = {"expires_at"} | ({"version"} if key[1] == "ACCOUNT" else set())
        found[key] = {name: value for name, value in item.items() if name not in left_out}
    return found


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_each_call_fails_once_and_the_books_are_the_same(scenario: Callable[[Play], Any]) -> None:
    """I12: a crash between any two steps leaves a state from which the same request reaches the same end."""
    calm, expected = played(scenario)
    wanted = contents(calm)
    assert calm.calls
    for number in range(calm.calls):
        for mode in MODES:
            play, answer = played(scenario, (number, mode))
            assert contents(play) == wanted, f"{scenario.__name__}: call {number} fails {mode}"
            assert answer == expected, f"{scenario.__name__}: call {number} fails {mode}"
            assert play.calls > number
            _balances(play)


def _balances(play: Play) -> None:
    """I1, I2: debits are credits, and each account is the fold of its entries."""
    accounts = [item for key, item in play.store.items.items() if key[1] == "ACCOUNT"]
    sums = {name: sum(_number(item, name) for item in accounts) for name in ("debits", "credits")}
    assert sums["debits"] == sums["credits"]
    for item in accounts:
        partition = item["pk"]["S"].replace("#ACCOUNT", "#ENTRY")
        entries = [entry for key, entry in play.store.items.items() if key[0] == partition]
        assert sum(_number(entry, "debit") for entry in entries) == _number(item, "debits")
        assert sum(_number(entry, "credit") for entry in entries) == _number(item, "credits")
        room = _number(item, "credits") - _number(item, "debits") - _number(item, "held")
        assert room + _number(item, "credit_limit") == _number(item, "room")


def _number(item: dict[str, Any], name: str) -> int:
    return int(item.get(name, {"N": "0"})["N"])
