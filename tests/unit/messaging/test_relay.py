"""The outbox relay: at least once, in order, and one bad record never costs those before it (R12.5, R12.6)."""

import json
from itertools import chain

import pytest

from gpubroker.messaging.relay import NotPublished, relay


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
