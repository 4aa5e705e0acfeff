"""The outbox relay: from a table's stream to the bus or to the price stream.

At least once: a relay that dies after publishing publishes again, with the same event id, and consumers are
idempotent. A record that the bus refuses is reported as failed, with all after it, and AWS brings it again.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.messaging.log import logger
from gpubroker.messaging.price_stream import MOST_CHANGES, packed, partition_of
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.outbox import decode

_BUS_BATCH = 10  # PutEvents takes ten entries
_BUS_BYTES = 250_000  # and 256 KB of them, each with its time, type and source
_AGAIN = Backoff(base_s=0.05, cap_s=0.5, tries=4)


class NotPublished(Exception):
    """The bus or the stream refused entries."""


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def relay_handler() -> Callable[[dict[str, Any], Any], PartialItemFailureResponse]:
    """The handler of a context's `relay_events` function."""

    def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
        return relay(event["Records"], publish=publish)

    return handler


def relay(
    records: list[dict[str, Any]], *, publish: Callable[[list[dict[str, Any]]], None]
) -> PartialItemFailureResponse:
    """Publish the outbox entries of a batch, in order; on a failure, report from the first unpublished record on."""
    batch: list[tuple[str, dict[str, Any]]] = []
    failed: str | None = None
    for record in records:
        sequence = record["dynamodb"]["SequenceNumber"]
        if record["eventName"] != "INSERT":
            continue
        try:
            envelope = decode(record["dynamodb"].get("NewImage") or {})
        except (KeyError, ValueError) as error:
            # Not ours to mend by trying again; the others go on, the queue on failure gets this one.
            logger().error("outbox entry unreadable", extra={"sequence": sequence, "error": repr(error)})
            failed = sequence
            break
        if envelope is not None:
            batch.append((sequence, envelope))
    for sequence, envelopes in _grouped(batch):
        try:
            publish(envelopes)
        except Exception as error:
            logger().error("outbox not relayed", extra={"sequence": sequence, "error": repr(error)})
            failed = sequence
            break
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


def _grouped(batch: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Runs of envelopes with one target, at most ten, each with the sequence number it starts at."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for sequence, envelope in batch:
        last = groups[-1][1] if groups else None
        if last is None or len(last) >= _BUS_BATCH or last[-1]["target"] != envelope["target"]:
            groups.append((sequence, [envelope]))
        else:
            last.append(envelope)
    return groups


def publish(envelopes: list[dict[str, Any]]) -> None:
    """Send envelopes of one target. Raises NotPublished when any entry was refused."""
    if envelopes[0]["target"] == "prices":
        _to_price_stream(envelopes)
    else:
        _to_bus(envelopes)


def _to_bus(envelopes: list[dict[str, Any]]) -> None:
    bus = os.environ["EVENT_BUS"]
    entries = [
        {
            "EventBusName": bus,
            "Source": envelope["source"],
            "DetailType": envelope["type"],
            "Detail": orjson.dumps(
                envelope["data"]
                | {
                    "event_id": envelope["id"],
                    "occurred_at": envelope["occurred_at"],
                    "traceparent": envelope["traceparent"],
                    "correlation_id": envelope["correlation_id"],
                }
            ).decode(),
        }
        for envelope in envelopes
    ]
    for part in _in_calls(entries):
        _send(part, lambda some: _client("events").put_events(Entries=some), "events")


def _in_calls(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Entries that one call takes together, by their size."""
    part: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        more = len(entry["Detail"].encode()) + len(entry["DetailType"]) + len(entry["Source"]) + 14
        if part and size + more > _BUS_BYTES:
            yield part
            part, size = [], 0
        part.append(entry)
        size += more
    yield part


def _to_price_stream(envelopes: list[dict[str, Any]]) -> None:
    """The changes of the envelopes, packed by partition.

    The service keeps no order among the records of one call when it refuses some of them, so a call holds one record
    of a partition at most, and is through before the next one starts: an offer's changes stay in order.
    """
    partitions: dict[str, list[dict[str, Any]]] = {}
    for envelope in envelopes:
        for number, change in enumerate(envelope["data"]["records"]):
            told = change | {"event_id": f"{envelope['id']}.{number}"}
            partitions.setdefault(partition_of(change["offer_id"]), []).append(told)
    stream = os.environ["PRICE_STREAM"]
    for start in range(0, max(map(len, partitions.values()), default=0), MOST_CHANGES):
        records = [
            {"PartitionKey": key, "Data": packed(changes[start : start + MOST_CHANGES])}
            for key, changes in partitions.items()
            if len(changes) > start
        ]
        _send(
            records, lambda some: _client("kinesis").put_records(StreamName=stream, Records=some), "records of changes"
        )


def _send(entries: list[dict[str, Any]], put: Callable[[list[dict[str, Any]]], dict[str, Any]], what: str) -> None:
    """Put entries; of a part that was refused (a throttled shard, say) only that part goes again.

    Raises NotPublished when some are refused to the end: then AWS brings the whole batch again, and consumers see the
    accepted ones twice, with the same ids.
    """
    for attempt in range(_AGAIN.tries):
        if attempt:
            time.sleep(_AGAIN.wait(attempt - 1))
        answer = put(entries)
        if not (answer.get("FailedEntryCount") or answer.get("FailedRecordCount")):
            return
        results = answer.get("Entries") or answer["Records"]
        entries = [entry for entry, result in zip(entries, results, strict=True) if result.get("ErrorCode")]
    raise NotPublished(f"{len(entries)} {what} refused")
