"""Breakers shared through DynamoDB: one opens for all, one trial for all, and DynamoDB may go away."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from pynamodb.connection.table import TableConnection

from gpubroker.resilience.breaker import Phase
from gpubroker.resilience.breaker_store import BreakerStore, CircuitOpen
from gpubroker.storage.table import Item, Table


class Clock:
    def __init__(self) -> None:
        self.now = 1_779_616_800.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A table connection that counts, and that can be cut."""

    def __init__(self, connection: TableConnection) -> None:
        self._connection, self.calls, self.cut = connection, list[str](), False
        self.before_write: Callable[[], None] | None = None

    def _reach(self, call: str) -> None:
        self.calls.append(call)
        if self.cut:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

    def get_item(self, *arguments: Any, **options: Any) -> Any:
        self._reach("read")
        return self._connection.get_item(*arguments, **options)

    def put_item(self, *arguments: Any, **options: Any) -> Any:
        self._reach("write")
        if self.before_write is not None:
            meanwhile, self.before_write = self.before_write, None
            meanwhile()
        return self._connection.put_item(*arguments, **options)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(make_table) -> Watched:
    class AnyItem(Item):
        class Meta(Table):
            env = "OFFERS_TABLE"

    make_table("offers")
    return Watched(AnyItem._get_connection())


@pytest.fixture
def process(table, clock) -> Callable[[], BreakerStore]:
    """Another process that shares the table."""
    return lambda: BreakerStore(lambda: table, clock=clock, sleep=lambda _: None)  # type: ignore[arg-type,return-value]


def fail(store: BreakerStore, times: int) -> None:
    for _ in range(times):
        permit = store.admit("vastai")
        assert permit is not None
        store.report("vastai", permit, False)


def test_failures_that_several_processes_saw_open_the_breaker_of_all(process, clock):
    # R3.1 (191), R3.2 (192), DESIGN: shared in DynamoDB
    first, second, third = process(), process(), process()
    fail(first, 5)
    fail(second, 5)
    assert third.admit("vastai") is None
    assert third.admit("runpod") is not None, "each name has its own"
    clock.now += 2.1  # what first remembers of it is too old now
    assert first.admit("vastai") is None


def test_of_all_processes_one_makes_the_trial_call_and_its_success_closes_for_all(process, clock):
    # R3.4 (194), R3.5 (195), (197)
    stores = [process() for _ in range(3)]
    fail(stores[0], 10)
    clock.now += 30
    permits = [store.admit("vastai") for store in stores]
    assert [permit is not None for permit in permits] == [True, False, False]
    assert permits[0] is not None
    stores[0].report("vastai", permits[0], True)
    clock.now += 2.1
    assert all(store.admit("vastai") for store in stores)


def test_the_loser_of_a_race_for_the_trial_does_not_call(process, table, clock):
    first, second = process(), process()
    fail(first, 10)
    clock.now += 30
    won = []
    table.before_write = lambda: won.append(second.admit("vastai"))
    assert first.admit("vastai") is None
    assert won[0] is not None


def test_the_loser_of_a_race_adds_its_outcome_to_what_it_finds(process, table):
    first, second = process(), process()
    table.before_write = lambda: fail(second, 4)
    fail(first, 1)
    assert process().breaker("vastai").outcomes == "00000"


def test_a_result_from_before_the_breaker_opened_is_ignored(process):
    slow, others = process(), process()
    permit = slow.admit("vastai")
    assert permit is not None
    fail(others, 10)
    assert slow.report("vastai", permit, True).phase is Phase.OPEN
    assert process().breaker("vastai").phase is Phase.OPEN


def test_a_healthy_neighbour_costs_no_writes_and_few_reads(process, table):
    store = process()
    for _ in range(10):
        store.call("vastai", lambda: None)
    table.calls.clear()
    for _ in range(50):
        store.call("vastai", lambda: None)
    assert table.calls == []


def test_an_open_breaker_is_not_even_read_until_its_pause_is_over(process, table, clock):
    # R3.3 (193)
    store = process()
    fail(store, 10)
    table.calls.clear()
    for _ in range(20):
        clock.now += 1
        assert store.admit("vastai") is None
    assert table.calls == []


def test_a_refused_call_says_when_to_come_back_and_makes_none(process, clock):
    store, made = process(), []
    fail(store, 10)
    clock.now += 10
    with pytest.raises(CircuitOpen) as refusal:
        store.call("vastai", lambda: made.append(1))
    assert refusal.value.retry_after == pytest.approx(20)
    assert made == []


def test_each_change_is_said_once_by_who_made_it(process, clock, caplog):
    # R3.6 (196)
    first, second = process(), process()
    fail(first, 10)
    second.admit("vastai")
    clock.now += 30
    permit = second.admit("vastai")
    assert permit is not None
    second.report("vastai", permit, True)
    assert [record.getMessage() for record in caplog.records] == [
        "breaker vastai is open, was closed",
        "breaker vastai is half_open, was open",
        "breaker vastai is closed, was half_open",
    ]


def test_only_failures_of_the_other_side_count(process):
    store = process()

    def wrong_order() -> None:
        raise ValueError

    for _ in range(10):
        with pytest.raises(ValueError):
            store.call("vastai", wrong_order, failures=(TimeoutError,))
    assert store.breaker("vastai").outcomes == "1" * 10


def test_an_interrupted_trial_gives_its_permit_back(process, clock):
    store = process()
    fail(store, 10)
    clock.now += 30

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.call("vastai", interrupted)
    assert store.admit("vastai") is not None


def test_with_dynamodb_away_each_process_goes_on_with_its_own_state(process, table, clock, caplog):
    store = process()
    fail(store, 3)
    table.cut = True
    with caplog.at_level(logging.WARNING):
        fail(store, 7)
        assert store.admit("vastai") is None, "its own breaker still opens"
    assert "shared state is away" in caplog.text
    table.cut = False
    clock.now += 30.1
    assert store.admit("vastai") is not None, "and what is shared is believed again"
    assert store.breaker("vastai").outcomes == "000"
