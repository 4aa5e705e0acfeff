"""What was set aside comes back by hand: from a message's content, or from the stream that still has it. # 248"""

import base64
import json

import boto3
import pytest

from gpubroker.messaging.price_stream import packed
from gpubroker.prices import aside
from gpubroker.prices.detection import Detection
from gpubroker.prices.states import StoredStates
from tests.integration.prices.conftest import REGION, clock, record
from tests.unit.prices.changing import NOW_MS, change


@pytest.fixture
def stream(aws):
    kinesis = boto3.client("kinesis", region_name=REGION)
    kinesis.create_stream(StreamName="prices", ShardCount=1)
    return kinesis.describe_stream(StreamName="prices")["StreamDescription"]["StreamARN"]


def waiting(queue):
    client = boto3.client("sqs", region_name=REGION)
    attributes = client.get_queue_attributes(
        QueueUrl=queue,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def told(facts):
    return [update["offer_id"] for event in facts("PricesUpdated") for update in event["data"]["updates"]]


def test_a_record_that_a_newer_version_can_read_is_redriven_once(table, queue, facts):
    """Its clock was ahead, say: some minutes later it is none that lies."""
    early = Detection(StoredStates(), aside.queue(), lambda: NOW_MS - 3_600_000)
    early.take([record(7, change("a"), change("b"))])
    assert (told(facts), waiting(queue)) == ([], 1)
    assert aside.redrive(StoredStates(), clock).run() == {"done": 1, "stay": 0}
    assert (told(facts), waiting(queue)) == (["a", "b"], 0)


def test_what_is_still_no_change_stays_in_the_queue(table, queue, facts):
    poison = base64.b64encode(b"poison").decode()
    broken = {"eventID": "shardId-0:1", "kinesis": {"sequenceNumber": "1", "data": poison}}
    Detection(StoredStates(), aside.queue(), clock).take([broken, record(2, change("a"))])
    assert told(facts) == ["a"]
    assert aside.redrive(StoredStates(), clock).run() == {"done": 0, "stay": 1}
    assert waiting(queue) == 1


def test_a_batch_that_was_given_up_is_read_from_the_stream(table, queue, stream, facts):
    kinesis = boto3.client("kinesis", region_name=REGION)
    put = [
        kinesis.put_record(StreamName="prices", PartitionKey="p00", Data=packed([change(offer)]))["SequenceNumber"]
        for offer in "abcd"
    ]
    shard = kinesis.describe_stream(StreamName="prices")["StreamDescription"]["Shards"][0]["ShardId"]
    batch = {"shardId": shard, "startSequenceNumber": put[1], "endSequenceNumber": put[2], "streamArn": stream}
    boto3.client("sqs", region_name=REGION).send_message(
        QueueUrl=queue, MessageBody=json.dumps({"KinesisBatchInfo": batch})
    )
    assert aside.redrive(StoredStates(), clock).run() == {"done": 1, "stay": 0}
    assert told(facts) == ["b", "c"]


def test_a_message_that_cannot_even_be_looked_up_stays_and_costs_the_others_nothing(table, queue, stream, facts):
    """The shard of a batch is gone after a merge; another message is none of ours."""
    client = boto3.client("sqs", region_name=REGION)
    batch = {"shardId": "shardId-000000000099", "startSequenceNumber": "1", "endSequenceNumber": "2"}
    for body in ({"KinesisBatchInfo": batch | {"streamArn": stream}}, {"who": "knows"}):
        client.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
    Detection(StoredStates(), aside.queue(), lambda: NOW_MS - 3_600_000).take([record(7, change("a"))])
    assert aside.redrive(StoredStates(), clock).run() == {"done": 1, "stay": 2}
    assert (told(facts), waiting(queue)) == (["a"], 2)
