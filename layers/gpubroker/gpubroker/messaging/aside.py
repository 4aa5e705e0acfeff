"""What a stream's consumer set aside, and how it is brought to it again (docs/prices.md and docs/usage.md, "Redrive").

One queue a consumer holds two kinds of message: our own, with the content; and those of the event source, which name a
shard and sequence numbers of records that are still in the stream, for a day.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import orjson

from gpubroker.messaging.log import logger

_LARGEST = 240_000  # bytes; a message takes 256 KB

Record = dict[str, Any]


class NotPut(Exception):
    """While redriving nothing is set aside again: the message stays where it is."""


class Queue:
    """The queue that a variable names.

    records   what they are called in the log: "price record"
    contents  the key of a message under which the content of a record stands, where it could be read
    """

    def __init__(self, variable: str, *, records: str, contents: str) -> None:
        self._variable, self._records, self.contents = variable, records, contents

    def put(self, what: dict[str, Any]) -> None:
        """Set something aside. What is larger than a message is named only; it stays in the stream for a day."""
        body = orjson.dumps(what).decode()
        if len(body.encode()) > _LARGEST:
            left_out = ("data", self.contents)
            body = orjson.dumps({key: value for key, value in what.items() if key not in left_out}).decode()
        told = {key: what[key] for key in ("wrong", "shard", "sequence_number")}
        logger().error(f"{self._records} set aside", extra=told)
        client("sqs").send_message(QueueUrl=self._url(), MessageBody=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Messages, until there are none. Each is hidden from others for the queue's visibility timeout."""
        while found := client("sqs").receive_message(QueueUrl=self._url(), MaxNumberOfMessages=10).get("Messages"):
            yield from found

    def done(self, message: dict[str, Any]) -> None:
        client("sqs").delete_message(QueueUrl=self._url(), ReceiptHandle=message["ReceiptHandle"])

    def _url(self) -> str:
        return os.environ[self._variable]


class Refused:
    """The queue of a consumer that is being redriven."""

    def put(self, what: dict[str, Any]) -> None:
        raise NotPut(what["wrong"])


class Taken(Protocol):
    """What a consumer says of a batch."""

    @property
    def failed(self) -> str | None:
        """The first record that was not taken."""

    @property
    def errors(self) -> list[str]: ...


@dataclass(slots=True)
class Redrive:
    """Bring what was set aside to its consumer again. `most` messages a run.

    take    the consumer, with `Refused` in the place of its queue
    packed  the content of a message as a record of the stream
    wanted  which records of the stream come again, by their data
    """

    queue: Queue
    take: Callable[[list[Record]], Taken]
    packed: Callable[[list[Any]], bytes]
    wanted: Callable[[bytes], bool] = lambda data: True
    most: int = 500

    def run(self) -> dict[str, int]:
        """How many messages were done and how many stay."""
        told = {"done": 0, "stay": 0}
        for number, message in enumerate(self.queue.messages(), start=1):
            try:
                errors = self._again(json.loads(message["Body"]))
            except Exception as error:  # its shard was merged away, say: no reason to keep the messages behind it
                errors = [repr(error)]
            if errors is None:
                self.queue.done(message)
                told["done"] += 1
            else:
                logger().error("still not to be read", extra={"errors": errors})
                told["stay"] += 1
            if number >= self.most:
                break
        return told

    def _again(self, told: dict[str, Any]) -> list[str] | None:
        """What is still wrong, None for nothing."""
        records = list(self._records(told))
        if not records:
            return ["the stream has it no longer"]
        taken = self.take(records)
        return None if taken.failed is None else taken.errors

    def _records(self, told: dict[str, Any]) -> Iterator[Record]:
        if "KinesisBatchInfo" in told:
            batch = told["KinesisBatchInfo"]
            first, last = batch["startSequenceNumber"], batch["endSequenceNumber"]
            yield from self._from_stream(batch["streamArn"], batch["shardId"], first, last)
        elif "data" in told:
            yield _record(told["shard"], told["sequence_number"], told["data"])
        elif self.queue.contents in told:
            data = base64.b64encode(self.packed(told[self.queue.contents])).decode()
            yield _record(told["shard"], told["sequence_number"], data)
        else:
            number = told["sequence_number"]
            yield from self._from_stream(told["stream"], told["shard"], number, number)

    def _from_stream(self, arn: str, shard: str, first: str, last: str) -> Iterator[Record]:
        """The records of a shard from one sequence number to another; none when the stream has dropped them."""
        kinesis = client("kinesis")
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
                if self.wanted(record["Data"]):
                    data = base64.b64encode(record["Data"]).decode()
                    yield _record(shard, record["SequenceNumber"], data, record["PartitionKey"])
            if not answer["Records"] and not answer.get("MillisBehindLatest"):
                return
            iterator = answer.get("NextShardIterator")


def _record(shard: str, number: str, data: str, key: str = "") -> Record:
    return {"eventID": f"{shard}:{number}", "kinesis": {"sequenceNumber": number, "data": data, "partitionKey": key}}


@cache
def client(service: str) -> Any:
    import boto3

    return boto3.client(service)
