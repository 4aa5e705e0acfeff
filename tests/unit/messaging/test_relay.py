"""The outbox relay: at least once, in order, and one bad record never costs those before it (R12.5, R12.6)."""

import json
from itertools import chain

import pytest

from gpubroker.messaging import relay as relaying
from gpubroker.messaging.price_stream import MOST_CHANGES, PARTITIONS, rows
from gpubroker.messaging.relay import NotPublished, publish, relay
from tests.unit.prices.changing import NOW_MS, change


def record(number, *, target="bus", kind="INSERT", pk=None, body=None):
    envelope = {"id": f"e{number}", "type": "T", "source": "s", "target": target, "data": {"n": number}}
    image = {"pk": {"S": pk or f"OUTBOX#e{number}"}, "event": {"S": body or json.dumps(envelope)}}
    return {"eventName": kind, "dynamodb": {"SequenceNumber": str(number), "NewImage": image}}


class Bus:
    def __init__(self, broken_at=None):
        self.sent, self.broken_at = [], broken_at

    def __call__(self, envelopes):
        ids = [envelope["id"] for envelope in envelopes]
        if self.broken_at in ids:
            raise NotPublished("refused")
        self.sent.append(ids)


def test_entries_leave_in_order_ten_at_a_time():
    bus = Bus()
    assert relay([record(n) for n in range(1, 24)], publish=bus) == {"batchItemFailures": []}
    assert [len(group) for group in bus.sent] == [10, 10, 3]
    assert list(chain(*bus.sent)) == [f"e{n}" for n in range(1, 24)]


def test_only_new_outbox_entries_leave():
    bus = Bus()
    records = [record(1, kind="REMOVE"), record(2, pk="RENTAL#1"), record(3, kind="MODIFY"), record(4)]
    assert relay(records, publish=bus) == {"batchItemFailures": []}
    assert bus.sent == [["e4"]]


def test_prices_and_facts_go_their_own_ways_and_keep_their_order():
    bus = Bus()
    relay([record(1), record(2, target="prices"), record(3, target="prices"), record(4)], publish=bus)
    assert bus.sent == [["e1"], ["e2", "e3"], ["e4"]]


def test_a_refused_group_is_reported_from_its_first_record_and_stops_those_after_it():
    bus = Bus(broken_at="e15")
    answer = relay([record(n) for n in range(1, 31)], publish=bus)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "11"}]}
    assert bus.sent == [[f"e{n}" for n in range(1, 11)]]


@pytest.mark.parametrize("body", ["{", '"text'])
def test_an_unreadable_entry_is_reported_after_those_before_it_have_left(body):
    bus = Bus()
    answer = relay([record(1), record(2, body=body), record(3)], publish=bus)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert bus.sent == [["e1"]]


class Aws:
    """EventBridge and Kinesis, which refuse some entries the first `times` times they see them."""

    def __init__(self, refused, times):
        self.refused, self.times, self.calls, self.accepted = refused, times, [], []

    def put_events(self, **call):
        results = self._take(call["Entries"], lambda entry: json.loads(entry["Detail"])["event_id"])
        return {"FailedEntryCount": sum(map(bool, results)), "Entries": results}

    def put_records(self, **call):
        keys = [record["PartitionKey"] for record in call["Records"]]
        assert len(set(keys)) == len(keys), "one record of a partition in a call: the service keeps no order in it"
        results = self._take(call["Records"], lambda record: tuple(row["event_id"] for row in rows(record["Data"])))
        return {"FailedRecordCount": sum(map(bool, results)), "Records": results}

    def _take(self, entries, name):
        names = [name(entry) for entry in entries]
        self.calls.append(names)
        refuse = self.refused if len(self.calls) <= self.times else set()
        refused = [name in refuse or not refuse.isdisjoint(name if isinstance(name, tuple) else ()) for name in names]
        self.accepted += [name for name, no in zip(names, refused, strict=True) if not no]
        return [{"ErrorCode": "ThrottlingException"} if no else {} for no in refused]


@pytest.fixture
def aws(monkeypatch):
    def made(refused, times):
        aws = Aws(refused, times)
        monkeypatch.setattr(relaying, "_client", lambda service: aws)
        monkeypatch.setattr(relaying.time, "sleep", lambda seconds: None)
        monkeypatch.setenv("EVENT_BUS", "bus")
        monkeypatch.setenv("PRICE_STREAM", "prices")
        return aws

    return made


def facts(*ids):
    moment = {"occurred_at": "t", "traceparent": None, "correlation_id": None}
    return [{"id": one, "type": "T", "source": "s", "target": "bus", "data": {}, **moment} for one in ids]


def test_large_events_go_in_calls_that_the_bus_takes(aws):
    bus = aws(set(), 0)
    large = [fact | {"data": {"text": "ä" * 45_000}} for fact in facts(*"abcdefg")]
    publish(large)
    assert bus.calls == [["a", "b"], ["c", "d"], ["e", "f"], ["g"]]


def prices(number):
    records = [change(f"o{at}") for at in range(number)]
    return [{"id": "e", "target": "prices", "data": {"records": records}}]


def test_of_a_batch_that_is_refused_in_part_only_that_part_goes_again(aws):
    bus = aws({"b"}, 2)
    publish(facts("a", "b", "c"))
    assert bus.calls == [["a", "b", "c"], ["b"], ["b"]]
    stream = aws({"e.1"}, 1)
    publish(prices(3))
    assert stream.calls == [[("e.0",), ("e.1",), ("e.2",)], [("e.1",)]]
    assert sorted(chain(*stream.accepted)) == ["e.0", "e.1", "e.2"], "each change once"


def test_what_is_refused_to_the_end_is_not_called_published(aws):
    aws({"e.1"}, 99)
    with pytest.raises(NotPublished, match="1 records of changes refused"):
        publish(prices(3))


def test_more_changes_of_a_partition_than_a_record_takes_go_one_after_another(aws):  # R12.4 (247)
    stream = aws(set(), 0)
    records = [change("o1", at_ms=NOW_MS + at) for at in range(MOST_CHANGES * 2 + 1)] + [change("o2")]
    publish([{"id": "e", "target": "prices", "data": {"records": records}}])
    assert [[len(record) for record in call] for call in stream.calls] == [[500, 1], [500], [1]]
    told = [one for call in stream.calls for record in call for one in record if one != "e.1001"]
    assert told == [f"e.{at}" for at in range(1001)], "in their order"


def test_the_changes_of_a_sync_are_packed_together(aws):
    stream = aws(set(), 0)
    publish(prices(1001))
    (call,) = stream.calls
    assert len(call) == PARTITIONS
    assert len({one for record in call for one in record}) == 1001
