"""Event source mappings of Kinesis and DynamoDB streams: retries, bisecting, partial answers, on-failure destinations.

AWS (Lambda developer guide, "Retain discarded records with a stream source" and "Configuring partial batch response"):
a failing batch is retried until MaximumRetryAttempts or MaximumRecordAgeInSeconds ends it, is split in two with
BisectBatchOnFunctionError, is taken up at the lowest failed sequence number with ReportBatchItemFailures, and what is
given up is described to the on-failure destination; shards are read side by side; BatchSize is 100 unless given. The
stock engine retries a Kinesis batch for ever, all shards in one thread, and knows of all this only a DynamoDB record's
age. The rules are in `batches.py`, the reading in `shards.py`.
"""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core.concurrency import spawn_background
from ministack.core.responses import new_uuid, request_scope
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from infra.local.engine.batches import Entry, Outcome, Rules, settle
from infra.local.engine.delivery import deliver
from infra.local.engine.patching import original, replaces, replaces_handler
from infra.local.engine.shards import KinesisStream, Source, source_of

logger = logging.getLogger("engine.streams")

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 1.0

_reading: set[tuple[str, str]] = set()  # (mapping, shard) that have a thread
_reading_lock = threading.Lock()


def is_stream(arn: str) -> bool:
    return ":kinesis:" in arn or (":dynamodb:" in arn and "/stream/" in arn)


class Reader:
    """One mapping reading one shard. Fulfils `batches.Shard`."""

    def __init__(self, mapping: dict[str, Any], source: Source, shard_id: str) -> None:
        self.mapping = mapping
        self.source = source
        self.shard_id = shard_id
        self.key = (mapping["UUID"], shard_id)

    # ---- position: kept where the engine keeps (and saves) it

    @property
    def position(self) -> int:
        if not isinstance(self.source, KinesisStream):
            with lambda_svc._dynamodb_stream_positions_lock:
                if self.key[0] not in lambda_svc._dynamodb_stream_positions:
                    start = self.source.start(self.shard_id, self.mapping)
                    lambda_svc._dynamodb_stream_positions[self.key[0]] = start
                return int(lambda_svc._dynamodb_stream_positions[self.key[0]])
        positions = lambda_svc._kinesis_positions
        if self.key[0] not in positions:
            ids = self.source.shard_ids()
            positions[self.key[0]] = {one: self.source.start(one, self.mapping) for one in ids}
        return int(positions[self.key[0]].setdefault(self.shard_id, 0))  # a shard that came later is read whole

    def advance(self, position: int) -> None:
        if not self.alive():
            return  # a deleted mapping has no position to keep
        if isinstance(self.source, KinesisStream):
            lambda_svc._kinesis_positions[self.key[0]][self.shard_id] = position
        else:
            with lambda_svc._dynamodb_stream_positions_lock:
                lambda_svc._dynamodb_stream_positions[self.key[0]] = position

    def alive(self) -> bool:
        mapping = lambda_svc._esms.get(self.key[0])
        return mapping is self.mapping and str(mapping.get("Enabled", True)).lower() != "false"

    # ---- reading

    def due(self) -> list[Entry]:
        """The records to be processed now: none while the batching window may still fill the batch."""
        size = int(self.mapping.get("BatchSize") or self.source.default_batch_size)
        entries = self.source.read(self.shard_id, self.position, size)
        window = int(self.mapping.get("MaximumBatchingWindowInSeconds") or 0)
        if entries and window and len(entries) < size and time.time() < entries[0].arrived + window:
            return []
        return entries

    def run(self) -> None:
        """Process until nothing is left or the mapping is gone."""
        try:
            while self.alive() and (entries := self.due()):
                wanted = lambda_svc._apply_filter_criteria([entry.record for entry in entries], self.mapping)
                kept = [entry for entry in entries if any(entry.record is record for record in wanted)]
                if kept and not settle(kept, Rules.of(self.mapping), self, time.time):
                    return
                self.advance(entries[-1].after)
        finally:
            with _reading_lock:
                _reading.discard(self.key)
            if self.alive() and self.due():  # came between the last look and the end of this thread
                lambda_svc._esm_wake.set()

    # ---- what `settle` asks for

    def invoke(self, entries: list[Entry]) -> Outcome:
        name = self.mapping["FunctionName"]
        function, _ = lambda_svc._get_func_record_for_qualifier(name, self.mapping.get("Qualifier"))
        if function is None:
            return Outcome(throttled=True)  # until it is there or the mapping goes
        result = lambda_svc._execute_function(function, {"Records": [entry.record for entry in entries]})
        if result.get("throttle"):
            return Outcome(throttled=True)
        if result.get("error"):
            self.mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
            body = result.get("body")
            words = body if isinstance(body, dict) else {}
            logger.warning("%s failed on %d records of %s: %s: %s", name, len(entries), self.mapping["EventSourceArn"],
                           words.get("errorType"), words.get("errorMessage"))  # fmt: skip
            return Outcome(failed=True)
        self.mapping["LastProcessingResult"] = "OK"
        return Outcome(result.get("body"))

    def wait(self, attempt: int) -> bool:
        time.sleep(min(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1), _LONGEST_WAIT_SECONDS))
        return self.alive()

    def discard(self, entries: list[Entry], condition: str, invocations: int) -> None:
        logger.warning("gave up %d records of %s: %s", len(entries), self.mapping["EventSourceArn"], condition)
        target = ((self.mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        if not target:
            return
        first, last = entries[0], entries[-1]
        message = {
            "requestContext": {
                "requestId": new_uuid(),
                "functionArn": self.mapping["FunctionArn"],
                "condition": condition,
                "approximateInvokeCount": invocations,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": _iso(time.time()),
            self.source.batch_key: {
                "shardId": self.shard_id,
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": _iso(first.arrived),
                "approximateArrivalOfLastRecord": _iso(last.arrived),
                "batchSize": len(entries),
                "streamArn": self.mapping["EventSourceArn"],
            },
        }
        deliver(target, json.dumps(message))


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def start_readers() -> bool:
    """A thread for every shard that has something to read and no thread. True when one was started."""
    started = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        arn = mapping.get("EventSourceArn", "")
        if not is_stream(arn) or str(mapping.get("Enabled", True)).lower() == "false":
            continue
        with request_scope(account, region):
            if not (source := source_of(arn)):
                continue
            for shard_id in source.shard_ids():
                reader = Reader(mapping, source, shard_id)
                if reader.key not in _reading and reader.due():
                    with _reading_lock:
                        _reading.add(reader.key)
                    spawn_background(reader.run, thread_name="engine-stream")
                    started = True
    return started


def apply() -> None:
    create = original(provisioners, "_lambda_esm_create")
    initialise = original(lambda_svc, "_init_stream_position")
    create_by_call = original(lambda_svc, "_create_esm")
    original(lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS")
    # Between two wakes that found nothing: the engine's 50 ms delayed whoever came next.
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.002

    @replaces(lambda_svc)
    def _poll_kinesis() -> bool:
        return start_readers()

    @replaces(lambda_svc)
    def _poll_dynamodb_streams() -> bool:
        return False  # read with the others

    @replaces(lambda_svc)
    def _init_stream_position(esm_id: str, source_arn: str, starting: str) -> None:
        """LATEST means from the creation of the mapping, not from whenever it is first polled."""
        initialise(esm_id, source_arn, starting)
        if (
            ":kinesis:" in source_arn
            and esm_id not in lambda_svc._kinesis_positions
            and (source := source_of(source_arn))
        ):
            start = {"StartingPosition": starting}
            lambda_svc._kinesis_positions[esm_id] = {one: source.start(one, start) for one in source.shard_ids()}

    @replaces_handler("AWS::Lambda::EventSourceMapping", "create")
    @replaces(provisioners)
    def _lambda_esm_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        if is_stream(props.get("EventSourceArn", "")):
            props = {"BatchSize": 100, **props}
        made = create(logical_id, props, stack_name)
        lambda_svc._esm_wake.set()  # there may be records to read already
        return made

    @replaces(lambda_svc)
    def _create_esm(data: dict[str, Any]) -> Any:
        made = create_by_call({"BatchSize": 100, **data} if is_stream(data.get("EventSourceArn", "")) else data)
        lambda_svc._esm_wake.set()
        return made
