"""What was set aside: records that hold no usage events, and batches that AWS gave up (docs/usage.md, "Redrive").

One queue holds two kinds of message: our own, with the content; and those of the event source, which name a shard and
sequence numbers of records that are still in the stream, for a day.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from gpubroker.messaging.log import logger
from gpubroker.usage.aggregation import Account, Aggregation, Hours

_LARGEST = 240_000  # bytes; a message takes 256 KB


class NotPut(Exception):
    """While redriving nothing is set aside again: the message stays where it is."""


class Queue:
    """The queue that UNREAD_USAGE_QUEUE_URL names."""

    def put(self, what: dict[str, Any]) -> None:
        """Set something aside. What is larger than a message is named only; it stays in the stream for a day."""
        body = orjson.dumps(what).decode()
        if len(body.encode()) > _LARGEST:
            body = orjson.dumps({key: value for key, value in what.items() if key not in ("data", "events")}).decode()
        logger().error(
            "usage record set aside", extra={key: what[key] for key in ("wrong", "shard", "sequence_number")}
        )
        _client("sqs").send_message(QueueUrl=_url(), MessageBody=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Messages, until there are none. Each is hidden from others for the queue's visibility timeout."""
        while found := _client("sqs").receive_message(QueueUrl=_url(), MaxNumberOfMessages=10).get("Messages"):
            yield from found

    def done(self, message: dict[str, Any]) -> None:
        _client("sqs").delete_message(QueueUrl=_url(), ReceiptHandle=message["ReceiptHandle"])


class Refused:
    def put(self, what: dict[str, Any]) -> None:
        raise NotPut(what["wrong"])


@dataclass(slots=True)
class Redrive:
    """Bring what was set aside to the aggregation again. `most` messages a run."""

    hours: Hours
    clock_ms: Callable[[], int]
    queue: Queue
    most: int = 500

    def run(self) -> dict[str, int]:
        """How many messages were done and how many stay."""
        told = {"done": 0, "stay": 0}
        aggregation = Aggregation(self.hours, Refused(), self.clock_ms)
        for number, message in enumerate(self.queue.messages(), start=1):
            try:
                account = _again(aggregation, json.loads(message["Body"]))
            except Exception as error:  # its shard was merged away, say: no reason to keep the messages behind it
                account = Account(failed="unread", errors=[repr(error)])
            if account.failed is None:
                self.queue.done(message)
                told["done"] += 1
            else:
                logger().error("still not to be read", extra={"errors": account.errors})
                told["stay"] += 1
            if number >= self.most:
                break
        return told


def _again(aggregation: Aggregation, told: dict[str, Any]) -> Account:
    if "KinesisBatchInfo" in told:
        batch = told["KinesisBatchInfo"]
        first, last = batch["startSequenceNumber"], batch["endSequenceNumber"]
        records = list(_from_stream(batch["streamArn"], batch["shardId"], first, last))
    elif "data" in told:
        records = [_record(told["shard"], told["sequence_number"], told["data"])]
    elif "events" in told:
        data = base64.b64encode(orjson.dumps(told["events"])).decode()
        records = [_record(told["shard"], told["sequence_number"], data)]
    else:
        number = told["sequence_number"]
        records = list(_from_stream(told["stream"], told["shard"], number, number))
    if not records:
        return Account(failed="gone", errors=["the stream has it no longer"])
    return aggregation.take(records)


def _record(shard: str, number: str, data: str, key: str = "") -> dict[str, Any]:
    return {"eventID": f"{shard}:{number}", "kinesis": {"sequenceNumber": number, "data": data, "partitionKey": key}}


def _from_stream(arn: str, shard: str, first: str, last: str) -> Iterator[dict[str, Any]]:
    """The records of a shard from one sequence number to another; none when the stream has dropped them.

    Heartbeats are left out: what they said of then says nothing of now.
    """
    kinesis = _client("kinesis")
    try:
        iterator = kinesis.get_shard_iterator(
            StreamARN=arn, ShardId=shard, ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first
        )["ShardIterator"]
    except kinesis.exceptions.InvalidArgumentException:
        return
    while iterator:
        answer = kinesis.get_records(StreamARN=arn, ShardIterator=iterator, Limit=100)
        for record in answer["Records"]:
            if int(record["SequenceNumber"]) > int(last):
                return
            if b'"beat"' not in record["Data"][:16]:
                data = base64.b64encode(record["Data"]).decode()
                yield _record(shard, record["SequenceNumber"], data, record["PartitionKey"])
        if not answer["Records"] and not answer.get("MillisBehindLatest"):
            return
        iterator = answer.get("NextShardIterator")


def _url() -> str:
    return os.environ["UNREAD_USAGE_QUEUE_URL"]


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)
