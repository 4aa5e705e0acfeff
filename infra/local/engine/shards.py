"""Reading Kinesis streams and DynamoDB streams of the engine by position, as event source mappings do."""

import base64
import bisect
from collections.abc import Iterator
from typing import Any, Protocol

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb, kinesis

from infra.local.engine.batches import Entry

MAX_PAYLOAD_BYTES = 6_000_000  # of one invocation


class Source(Protocol):
    """A stream that a mapping reads."""

    batch_key: str  # what an on-failure message calls the batch
    default_batch_size: int

    def shard_ids(self) -> list[str]: ...

    def start(self, shard_id: str, mapping: dict[str, Any]) -> int:
        """The position that the mapping's StartingPosition means now."""

    def read(self, shard_id: str, position: int, limit: int) -> list[Entry]: ...


class KinesisStream:
    """Positions are sequence numbers: everything up to and including it is behind."""

    batch_key = "KinesisBatchInfo"
    default_batch_size = 100

    def __init__(self, arn: str, stream: dict[str, Any]) -> None:
        self._arn = arn
        self._stream = stream

    def shard_ids(self) -> list[str]:
        return list(self._stream["shards"])

    def start(self, shard_id: str, mapping: dict[str, Any]) -> int:
        records = self._stream["shards"][shard_id]["records"]
        wanted = mapping.get("StartingPosition", "LATEST")
        if wanted == "AT_TIMESTAMP":
            since = float(mapping.get("StartingPositionTimestamp") or 0)
            records = [record for record in records if record["ApproximateArrivalTimestamp"] < since]
        if wanted == "TRIM_HORIZON" or not records:
            return 0
        return int(records[-1]["SequenceNumber"])

    def read(self, shard_id: str, position: int, limit: int) -> list[Entry]:
        shard = self._stream["shards"].get(shard_id)
        if shard is None:
            return []
        records = shard["records"]
        first = bisect.bisect_right(records, position, key=lambda record: int(record["SequenceNumber"]))
        return [self._entry(shard_id, record) for record in _fitting(records[first : first + limit])]

    def _entry(self, shard_id: str, record: dict[str, Any]) -> Entry:
        number = record["SequenceNumber"]
        arrived = record["ApproximateArrivalTimestamp"]
        content = record["Data"]
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": number,
                "data": base64.b64encode(content).decode() if isinstance(content, bytes) else content,
                "approximateArrivalTimestamp": arrived,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{get_account_id()}:role/lambda",
            "awsRegion": get_region(),
            "eventSourceARN": self._arn,
        }
        return Entry(event, int(number), number, float(arrived))


class DynamoDBStream:
    """Positions count the table's changes from the first one ever. The engine has one shard a table."""

    batch_key = "DDBStreamBatchInfo"
    default_batch_size = 100

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def shard_ids(self) -> list[str]:
        return ["shardId-00000000000000000000-00000000"]

    def start(self, shard_id: str, mapping: dict[str, Any]) -> int:
        oldest = mapping.get("StartingPosition", "LATEST") == "TRIM_HORIZON"
        position = dynamodb.stream_start_position if oldest else dynamodb.stream_end_position
        return int(position(self._table_name))

    def read(self, shard_id: str, position: int, limit: int) -> list[Entry]:
        first = max(position, dynamodb.stream_start_position(self._table_name))
        records = dynamodb.stream_records_since(self._table_name, first, limit)
        return [
            Entry(
                record,
                first + index + 1,
                record["dynamodb"]["SequenceNumber"],
                float(record["dynamodb"].get("ApproximateCreationDateTime") or 0),
            )
            for index, record in enumerate(records)
        ]


def _fitting(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """As many of the records, from the first, as one invocation can carry."""
    size = 0
    for record in records:
        size += len(record["Data"])
        if size > MAX_PAYLOAD_BYTES and size > len(record["Data"]):
            return
        yield record


def source_of(arn: str) -> Source | None:
    """The stream that an ARN names, in the account and region of this context; None when it is not there."""
    spec = parse_arn(arn)
    if spec.service == "kinesis":
        stream = kinesis._streams.get_scoped(spec.account_id, spec.region, spec.resource.removeprefix("stream/"))
        if stream and stream["StreamStatus"] in ("ACTIVE", "UPDATING"):
            return KinesisStream(arn, stream)
    elif spec.service == "dynamodb":
        table_name = spec.resource.split("/")[1]
        if (dynamodb._tables.get(table_name) or {}).get("LatestStreamArn") == arn:
            return DynamoDBStream(table_name)
    return None
