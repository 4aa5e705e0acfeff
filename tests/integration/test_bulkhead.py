"""Limits shared through DynamoDB: never exceeded, never waited for without bound, never lost with a process."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubroker.kernel import deadline
from gpubroker.resilience.bulkhead import Bulkhead, Busy, Limit
from gpubroker.resilience.lease import Lease
from gpubroker.storage.table import Item, Table


class AnyItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"


class Clock:
    """Time that passes by sleeping only; `during` is what others do meanwhile."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0
        self.slept: list[float] = []
        self.during: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.during()


class Watched:
    """A table's connection that counts, and can be cut."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.calls: list[str] = []
        self.cut = False
        self.loses_answers = False
        """Each write is done, and sent once more by the SDK, which has heard nothing."""

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._connection, name)

        def called(*given: Any, **more: Any) -> Any:
            self.calls.append(name)
            if self.cut:
                raise EndpointConnectionError(endpoint_url="https://dynamodb")
            if self.loses_answers and name != "get_item":
                real(*given, **more)
            return real(*given, **more)

        return called


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(make_table: Callable[[str], Any]) -> Iterator[Any]:
    make_table("offers")
    yield Watched(AnyItem._get_connection())
    while KEPT:
        KEPT.pop().gen.close()


@pytest.fixture
def process(table: Any, clock: Clock) -> Callable[[], Bulkhead]:
    """Another process that shares the table."""
    return lambda: Bulkhead(lambda: table, clock=clock, sleep=clock.sleep, uniform=random.Random(1).uniform)


TWO = Limit(at_once=2)
KEPT: list[Any] = []
"""What is held stays held: a slot that nobody refers to any more would be given back by the garbage collector."""


def hold(bulkhead: Bulkhead, limit: Limit = TWO, **more: Any) -> Any:
    """A slot that is held until `__exit__` is called."""
    slot = bulkhead.slot("vastai", limit, **({"lease_s": 30, "wait_s": 0} | more))
    slot.__enter__()
    KEPT.append(slot)
    return slot


def free(slot: Any) -> None:
    slot.__exit__(None, None, None)


def item() -> dict[str, Any]:
    found: dict[str, Any] = AnyItem._get_connection().get_item("LIMIT#vastai", "SLOTS").get("Item", {})
    return found


def test_a_free_slot_costs_one_write_and_giving_it_back_another(process, table):
    # R5.3 (207)
    with process().slot("vastai", TWO, lease_s=30):
        assert table.calls == ["update_item"]
    assert table.calls == ["update_item"] * 2
    assert "leases" not in item()


def test_all_processes_together_hold_no_more_than_the_limit(process):
    first, second, third = process(), process(), process()
    held = [hold(first), hold(second)]
    with pytest.raises(Busy) as refusal:
        hold(third)
    assert refusal.value.retry_after == 1.0
    free(held[0])
    free(hold(third))


def test_each_name_has_its_own(process):
    bulkhead = process()
    hold(bulkhead, Limit(1))
    with bulkhead.slot("runpod", Limit(1), lease_s=30, wait_s=0):
        pass


def test_who_waits_gets_the_slot_that_comes_free(process, clock):
    # R5.5 (209)
    slot = hold(process(), Limit(1))
    clock.during = lambda: free(slot) if clock.now > 1_780_000_001 else None
    free(hold(process(), Limit(1), wait_s=10))
    assert 1 < sum(clock.slept) < 4
    assert "queue" not in item(), "its place in the queue went with it"


def test_nobody_waits_longer_than_asked(process, clock):
    hold(process(), Limit(1))
    with pytest.raises(Busy):
        hold(process(), Limit(1), wait_s=3, lease_s=60)
    assert sum(clock.slept) == pytest.approx(3)
    assert "queue" not in item()


def test_nobody_waits_longer_than_his_invocation_lasts(process, clock):
    hold(process(), Limit(1))
    token = deadline.begin(0.0)
    with pytest.raises(Busy):
        hold(process(), Limit(1), wait_s=30)
    deadline.end(token)
    assert clock.slept == []


def test_only_so_many_wait_and_the_next_is_told_to_come_back(process, clock):
    # R5.5 (209): backpressure, never an unbounded queue
    hold(process(), Limit(1), lease_s=60)
    refused: list[Busy] = []

    def another() -> None:
        clock.during = lambda: None
        with pytest.raises(Busy) as refusal:
            hold(process(), Limit(1), wait_s=5, waiters=1)
        refused.append(refusal.value)

    clock.during = another
    with pytest.raises(Busy):
        hold(process(), Limit(1), wait_s=5, waiters=1)
    assert len(refused) == 1
    assert refused[0].retry_after == 1.0


def test_a_waiter_that_died_makes_room_in_the_queue(process, clock):
    hold(process(), Limit(1), lease_s=600)
    AnyItem._get_connection().update_item(
        "LIMIT#vastai", "SLOTS", actions=[_queue().add({f"{round((clock.now + 5) * 1000)}:dead"})]
    )
    clock.now += 6
    with pytest.raises(Busy):
        hold(process(), Limit(1), wait_s=1, waiters=1)
    assert sum(clock.slept) == pytest.approx(1), "it did wait"


def _queue() -> Any:
    from gpubroker.resilience import bulkhead

    return bulkhead._queue


def test_the_slot_of_a_holder_that_died_comes_free_when_its_lease_is_over(process, clock):
    hold(process(), Limit(1), lease_s=30)  # and never given back
    clock.now += 29
    with pytest.raises(Busy):
        hold(process(), Limit(1))
    clock.now += 2
    free(hold(process(), Limit(1)))


def test_a_lease_that_a_wrong_clock_wrote_counts_for_nothing(process, clock):
    clock.now += 86_400
    hold(process(), Limit(1))
    clock.now -= 86_400
    free(hold(process(), Limit(1)))


def test_calls_are_kept_apart_in_time(process, clock):
    # Lambda Cloud: one launch in 12 s
    launch = Limit(at_once=1, every_s=12)
    free(hold(process(), launch))
    with pytest.raises(Busy) as refusal:
        hold(process(), launch, wait_s=5)
    assert refusal.value.retry_after == pytest.approx(7)
    begun = clock.now
    free(hold(process(), launch, wait_s=20))
    assert clock.now - begun == pytest.approx(7, abs=2.1)


def test_an_interval_that_a_wrong_clock_wrote_binds_nobody(process, clock):
    launch = Limit(at_once=1, every_s=12)
    clock.now += 3600
    free(hold(process(), launch))
    clock.now -= 3600
    free(hold(process(), launch))


def test_a_slot_is_given_back_when_the_call_fails(process):
    with pytest.raises(ValueError), process().slot("vastai", Limit(1), lease_s=30, wait_s=0):
        raise ValueError
    free(hold(process(), Limit(1)))


def test_with_dynamodb_away_each_process_holds_itself_to_the_limit(process, table, caplog):
    table.cut = True
    bulkhead = process()
    with caplog.at_level(logging.WARNING):
        held = [hold(bulkhead), hold(bulkhead)]
    assert "goes by itself" in caplog.text
    with pytest.raises(Busy):
        hold(bulkhead)
    free(hold(process())), "another process counts for itself"
    free(held[0])
    free(hold(bulkhead))


def test_a_slot_that_cannot_be_given_back_expires(process, table, clock, caplog):
    slot = hold(process(), Limit(1), lease_s=30)
    table.cut = True
    free(slot)
    assert "when its lease expires" in caplog.text
    table.cut = False
    clock.now += 31
    free(hold(process(), Limit(1)))


@pytest.mark.parametrize("limit", [Limit(1), Limit(at_once=3, every_s=12)])
def test_a_slot_whose_answer_was_lost_is_held_and_given_back(process, table, limit):
    table.loses_answers = True
    slot = hold(process(), limit)
    assert len(item()["leases"]["SS"]) == 1
    free(slot)
    assert "leases" not in item()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at_once=st.integers(1, 3), threads=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_limit_is_never_exceeded_whatever_threads_do(table, monkeypatch, at_once, threads, seed):
    # R5.3 (207)
    one_call = threading.Lock()  # a call to DynamoDB is atomic; two threads inside moto are not
    real = botocore.client.BaseClient._make_api_call

    def alone(client: Any, operation: str, given: Any) -> Any:
        with one_call:
            return real(client, operation, given)

    running, most, done, lock = 0, 0, 0, threading.Lock()
    name = f"p{at_once}-{threads}-{seed}"

    def work(number: int) -> None:
        nonlocal running, most, done
        draw = random.Random(seed * 100 + number)
        bulkhead = Bulkhead(AnyItem._get_connection, sleep=lambda s: time.sleep(s / 50), uniform=draw.uniform)
        for _ in range(3):
            with bulkhead.slot(name, Limit(at_once), lease_s=60, wait_s=60, waiters=50):
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(draw.random() / 200)
                with lock:
                    running -= 1
                    done += 1

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", alone)
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert most <= at_once
    assert done == threads * 3, "and everybody had his turn"


# ------------------------------------------------------------------ one at a time


def lease(table: Any, clock: Clock) -> Lease:
    return Lease(lambda: table, "SYNC", 15, clock=clock)


def test_a_lease_is_one_write_and_one_holders(table, clock):
    first, second = lease(table, clock), lease(table, clock)
    assert first.take()
    assert table.calls == ["put_item"]
    assert not second.take()
    assert not first.take(), "also for the same process: another invocation of it may be what asks"
    clock.now += 15
    assert second.take(), "its time is over"


def test_a_lease_that_is_given_back_can_be_taken_at_once(table, clock):
    first, second = lease(table, clock), lease(table, clock)
    assert first.take()
    second.give_back()
    assert not second.take(), "somebody else's is left alone"
    first.give_back()
    assert second.take()


def test_a_lease_whose_answer_was_lost_is_held(table, clock):
    table.loses_answers = True
    first = lease(table, clock)
    assert first.take()
    table.loses_answers = False
    assert not first.take()
    first.give_back()
    assert lease(table, clock).take()


def test_a_lease_from_a_wrong_clock_is_over(table, clock):
    clock.now += 3600
    assert lease(table, clock).take()
    clock.now -= 3600
    assert lease(table, clock).take()
