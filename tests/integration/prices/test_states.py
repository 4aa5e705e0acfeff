"""The detector on a table: once in effect, whatever is delivered again, cut anew, or raced for. # R12.5 (248)"""

import pytest

from gpubroker.prices.aside import queue as unread
from gpubroker.prices.averages import Averages
from gpubroker.prices.detection import Detection
from gpubroker.prices.detector import MINUTE_MS
from gpubroker.prices.states import StoredStates
from gpubroker.storage.transaction import StaleVersion
from tests.integration.prices.conftest import clock, record
from tests.unit.prices.changing import NOW_MS, change


@pytest.fixture
def detection(table, queue):
    return Detection(StoredStates(), unread(), clock)


def told(facts):
    return [update["event_id"] for event in facts("PricesUpdated") for update in event["data"]["updates"]]


def test_a_batch_takes_one_read_and_one_write(detection, calls, facts):
    changes = [change(f"o{n}", gpu_type=f"G{n % 10}") for n in range(75)]
    assert detection.take([record(1, *changes)]).failed is None
    assert calls == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert told(facts) == [one["event_id"] for one in changes]


def test_what_comes_again_in_other_batches_and_processes_changes_nothing(detection, facts, table):
    changes = [change(offer, 2_000_000 + n, at_ms=NOW_MS - 9000 + n) for n, offer in enumerate("abcab" * 8)]
    detection.take([record(1, *changes[:30])])
    before = len(table.scan()["Items"])
    for start, end in ((0, 30), (10, 25), (0, 1)):
        again = Detection(StoredStates(), unread(), clock).take([record(1, *changes[start:end])])
        assert (again.changes, again.repeated) == (0, end - start)
    assert len(table.scan()["Items"]) == before
    Detection(StoredStates(), unread(), clock).take([record(2, *changes[20:])])
    assert sorted(told(facts)) == sorted(one["event_id"] for one in changes)


def test_the_statistics_go_on_after_a_cold_start(table, queue, facts):
    prices = [2_000_000 + 7_000 * (n % 5) for n in range(40)] + [4_000_000]
    for n, price in enumerate(prices):
        fresh = Detection(StoredStates(), unread(), clock)
        fresh.take([record(n, change("a", price, at_ms=NOW_MS - 100_000 + n))])
    (event,) = facts("PriceAnomaliesDetected")
    (anomaly,) = event["data"]["anomalies"]
    assert (anomaly["new_price_micros"], anomaly["samples"]) == (4_000_000, 40)
    assert anomaly["mean"] == pytest.approx(2.014)


def test_of_two_who_read_the_same_one_writes(table, queue):
    states = StoredStates()
    first = states.read(["a"], [], "s")
    second = states.read(["a"], [], "s")
    states.write(first, {}, [], "s", NOW_MS)
    with pytest.raises(StaleVersion):
        states.write(second, {}, [], "s", NOW_MS)


def averages(facts):
    return [
        (window["gpu_type"], window["average_price_micros"], window["samples"], window["revision"])
        for event in facts("PricesAveraged")
        for window in event["data"]["windows"]
    ]


def test_a_window_is_told_when_it_is_over_over_all_shards_and_again_when_it_is_revised(detection, facts, table):
    minute = NOW_MS - 3 * MINUTE_MS  # R13.4 (253)
    detection.take([record(1, change("a", 1_000_000, at_ms=minute), change("b", 2_000_000, at_ms=minute + 59_999))])
    detection.take([record(1, change("c", 6_000_001, at_ms=minute + 5), shard="shardId-000000000001")])
    assert Averages(lambda: minute + MINUTE_MS).close() == 0, "the watermark has not passed its end"
    assert Averages(clock).close() == 1
    assert Averages(clock).close() == 0
    assert averages(facts) == [("H100", 3_000_000, 3, 1)]

    detection.take([record(2, change("d", 3_000_000, at_ms=minute + 7))])
    detection.take([record(2, change("d", 3_000_000, at_ms=minute + 7))])
    assert Averages(clock).close() == 1
    assert averages(facts)[1:] == [("H100", 3_000_000, 4, 2)]
    assert not [item for item in table.scan()["Items"] if item["pk"] == "WINDOWS"], "no marker is left"


def test_a_window_that_was_told_by_a_run_that_died_is_not_told_again(detection, facts, table):
    detection.take([record(1, change("a", at_ms=NOW_MS - 3 * MINUTE_MS))])
    markers = [item for item in table.scan()["Items"] if item["pk"] == "WINDOWS"]
    Averages(clock).close()
    for marker in markers:
        table.put_item(Item=marker)
    assert Averages(clock).close() == 0
    assert len(averages(facts)) == 1
