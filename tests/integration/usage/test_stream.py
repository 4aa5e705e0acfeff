"""Into the stream and what is set aside. # 414, 421"""

import json
from typing import Any

import boto3
import pytest

from gpubroker.kernel.caller import Caller, Role
from gpubroker.storage.throttle import TooManyAttempts
from gpubroker.usage import aside
from gpubroker.usage import ingest as ingesting
from gpubroker.usage.aggregation import Aggregation
from gpubroker.usage.counted import CountedHours
from gpubroker.usage.event import moment_ms
from gpubroker.usage.hours import StoredHours
from gpubroker.usage.ingest import Ingest, RejectedEvents
from gpubroker.usage.requests import UsageEvents
from gpubroker.usage.sink import NotTaken, StreamSink
from gpubroker.usage.stream import PARTITIONS, unpacked
from tests.integration.conftest import REGION
from tests.integration.usage.conftest import count, shard_records
from tests.unit.usage.folding import NOON, record, records, usage
from tests.unit.usage.test_ingest import NOW, SEED, between, changed

SERVICE = Caller(Role.SERVICE, subject="backend", tenant="backend")


@pytest.fixture
def ingest(stream: Any) -> Ingest:
    return Ingest(StreamSink(sleep=lambda _: None), CountedHours(StoredHours()), lambda: NOW)


def sent(*events: Any) -> UsageEvents:
    return UsageEvents.model_validate({"events": list(events)})


def test_what_is_accepted_is_in_the_stream_in_few_records(ingest: Ingest, stream: Any) -> None:
    slots = [between(f"2026-07-15T14:{minute:02d}:00Z", f"2026-07-15T14:{minute:02d}:30Z") for minute in range(30)]
    told = ingest.take(SERVICE, sent(*slots))
    assert (told.accepted, told.duplicates) == (30, 0)
    (one,) = shard_records(stream)
    found = unpacked(one["Data"])
    assert len(found) == 30
    assert {name: found[0][name] for name in SEED} == slots[0]
    assert found[0]["received_at"] == "2026-07-15T14:31:00Z"


def test_a_call_with_a_wrong_event_leaves_nothing_in_the_stream(ingest: Ingest, stream: Any) -> None:
    with pytest.raises(RejectedEvents) as refused:
        ingest.take(SERVICE, sent(SEED, changed(version="3"), changed(instance_id="b", metrics={"gpu_seconds": -1})))
    assert refused.value.extras["rejected"] == [
        {"index": 1, "field": "version", "message": "Input should be '1.0'"},
        {"index": 2, "field": "metrics.gpu_seconds", "message": "Input should be greater than or equal to 0"},
    ]
    assert [one.field for one in refused.value.fields] == ["events.1.version", "events.2.metrics.gpu_seconds"]
    assert shard_records(stream) == []


def test_what_is_counted_is_a_repeat_and_what_overlaps_with_it_is_refused(ingest: Ingest, stream: Any) -> None:
    hour_ms = moment_ms("2026-07-15T14:00:00Z")
    counted = usage(0, instance="instance_abcdef", user="user_123456", org="org_789012")
    start = moment_ms("2026-07-15T14:29:30Z")
    metrics = tuple(round(value * 1_000_000) for value in SEED["metrics"].values())
    count_at = counted._replace(start_ms=start, metrics=metrics)
    assert start - hour_ms < 3_600_000
    account = Aggregation(StoredHours(), aside.queue(), lambda: 0).take(records([count_at], received_ms=start + 30_000))
    assert account.counted == 1
    assert ingest.take(SERVICE, sent(SEED)).model_dump() == {"accepted": 1, "duplicates": 1}
    assert shard_records(stream) == []
    with pytest.raises(RejectedEvents) as refused:
        ingest.take(SERVICE, sent(between("2026-07-15T14:29:45Z", "2026-07-15T14:30:15Z")))
    assert refused.value.extras["rejected"][0]["field"] == "period"


def test_a_service_that_calls_too_often_is_told_to_wait(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "CALLS", ingesting.Limit("usage-events", 2, 10))
    for _ in range(2):
        ingest.take(SERVICE, sent(SEED))
    with pytest.raises(TooManyAttempts):
        ingest.take(SERVICE, sent(SEED))


class Partly:
    """A stream that refuses some records of the first calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.taken: list[bytes] = []

    def put_records(self, **given: Any) -> dict[str, Any]:
        told = []
        for number, entry in enumerate(given["Records"]):
            refused = self.left > 0 and number % 2 == 0
            told.append({"ErrorCode": "ProvisionedThroughputExceededException"} if refused else {"SequenceNumber": "1"})
            if not refused:
                self.taken.append(entry["Data"])
        self.left -= 1
        return {"Records": told}


@pytest.mark.parametrize("busy", [2, 99])
def test_records_that_the_stream_refuses_are_sent_again_and_never_told_as_taken(
    busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    partly = Partly(busy)
    monkeypatch.setattr("gpubroker.usage.sink._client", lambda: partly)
    sink = StreamSink(sleep=lambda _: None)
    events = [usage(0, instance=f"box{number}") for number in range(200)]
    if busy > 5:
        with pytest.raises(NotTaken):
            sink.put(events, NOON)
        return
    sink.put(events, NOON)
    found = [shown["instance_id"] for data in partly.taken for shown in unpacked(data)]
    assert sorted(found) == sorted(one.instance_id for one in events)


def test_a_heartbeat_goes_to_every_partition(stream: Any) -> None:
    StreamSink().beat(NOON)
    assert len({one["PartitionKey"] for one in shard_records(stream)}) == PARTITIONS


@pytest.fixture
def queue(stream: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    client = boto3.client("sqs", region_name=REGION)
    url = client.create_queue(QueueName="unread")["QueueUrl"]
    monkeypatch.setenv("UNREAD_USAGE_QUEUE_URL", url)
    return lambda: client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])


def test_what_is_set_aside_can_be_brought_again(queue: Any, stream: Any) -> None:
    bad = record("u00", b"garbage", 1)
    wrong_event = record("u00", json.dumps([SEED | {"version": "2.0"}]).encode(), 2)
    Aggregation(StoredHours(), aside.queue(), lambda: NOON).take([bad, wrong_event])
    assert len(queue()) == 2
    assert aside.redrive(StoredHours(), lambda: NOON).run() == {"done": 0, "stay": 2}


def test_a_batch_that_was_given_up_is_read_from_the_stream_and_counted(queue: Any, stream: Any) -> None:
    StreamSink().put([usage(slot * 30) for slot in range(3)], NOON + 200_000)
    StreamSink().beat(NOON)
    numbers = [one["SequenceNumber"] for one in shard_records(stream)]
    told = {
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": numbers[0],
            "endSequenceNumber": numbers[-1],
            "streamArn": stream.describe_stream(StreamName="usage-events")["StreamDescription"]["StreamARN"],
        }
    }
    client = boto3.client("sqs", region_name=REGION)
    client.send_message(QueueUrl=client.get_queue_url(QueueName="unread")["QueueUrl"], MessageBody=json.dumps(told))
    hours = StoredHours()
    assert aside.redrive(hours, lambda: NOON).run() == {"done": 1, "stay": 0}
    assert hours.read([("usr_1", "box", NOON)])
    assert queue() == []
    assert count([usage(slot * 30) for slot in range(3)]).repeated == 3
