"""What the engine remembers has an end, so that it can run for days.

AWS forgets too: a log stream belongs to an execution environment, not to an invocation (Lambda developer guide,
"Viewing CloudWatch logs"), streams keep their records for 24 hours, Express executions leave no history behind. The
stock engine keeps a log stream for each invocation, every event that was ever published, every execution, and every
image of every item written in the last day. Here: one log stream a function and day with its last lines, the last
events and executions, and of a table's stream what some reader has not read yet or has read lately.
"""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any

from ministack.services import cloudwatch_logs, dynamodb, eventbridge, kinesis, lambda_svc, stepfunctions

from infra.local.engine.patching import original, replaces

LOG_LINES = 3000  # a stream
LOG_STREAMS = 7  # a group
EVENTS = 1000
EXPRESS_EXECUTIONS = 100
STANDARD_EXECUTIONS = 500
TABLE_RECORDS = 200  # of a stream that everyone has read
KINESIS_RECORDS = 20_000  # a shard

_SLACK = 1.25  # trimmed when this much over, so that trimming costs next to nothing


def _log_stream(name: str, group_name: str) -> dict[str, Any]:
    """The stream of that name in that group, both made on first use."""
    now = int(time.time() * 1000)
    groups = cloudwatch_logs._log_groups
    if group_name not in groups:
        groups[group_name] = {
            "arn": cloudwatch_logs._make_group_arn(group_name),
            "creationTime": now,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        }
    streams = groups[group_name]["streams"]
    if name not in streams:
        while len(streams) >= LOG_STREAMS:
            del streams[next(iter(streams))]
        streams[name] = {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        }
    return streams[name]  # type: ignore[no-any-return]


def _trim_executions() -> None:
    """Forget the oldest finished executions."""
    executions = stepfunctions._executions._data
    if len(executions) <= EXPRESS_EXECUTIONS * _SLACK:
        return
    machines = stepfunctions._state_machines._data
    kinds = {machine["stateMachineArn"]: machine.get("type") for machine in list(machines.values())}
    finished: dict[bool, list[Any]] = {True: [], False: []}
    for key, execution in list(executions.items()):
        if execution["status"] != "RUNNING":
            finished[kinds.get(execution["stateMachineArn"]) == "EXPRESS"].append(key)
    for keys, kept in ((finished[True], EXPRESS_EXECUTIONS), (finished[False], STANDARD_EXECUTIONS)):
        for key in keys[:-kept]:
            executions.pop(key, None)


def _unread_from(stream_arn: str, end: int) -> int:
    """The first position that some event source mapping on the stream has not read."""
    positions = [
        lambda_svc._dynamodb_stream_positions._data.get(key, 0)
        for key, mapping in list(lambda_svc._esms._data.items())
        if mapping.get("EventSourceArn") == stream_arn
    ]
    return min(positions, default=end)


def apply() -> None:
    put = original(eventbridge, "_put_events")
    start = original(stepfunctions, "_start_execution")
    emit = original(dynamodb, "_emit_stream_event")
    fan_out = original(cloudwatch_logs, "_fanout_to_subscription_filters")

    @replaces(lambda_svc)
    def _emit_lambda_logs(
        func: dict[str, Any],
        request_id: str,
        log_text: str,
        error: bool,
        duration_ms: int,
        *,
        log_source: str | None = None,
    ) -> None:
        config = func.get("config") or func
        name, qualifier = config.get("FunctionName", "unknown"), config.get("Version", "$LATEST")
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        digest = hashlib.sha256(f"{name}:{qualifier}".encode()).hexdigest()[:32]
        stream_name = f"{datetime.now(UTC):%Y/%m/%d}/[{qualifier}]{digest}"
        stream = _log_stream(stream_name, group)
        lines = [
            f"START RequestId: {request_id} Version: {qualifier}",
            *log_text.splitlines(),
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tBilled Duration: {duration_ms} ms\t"
            f"Memory Size: {config.get('MemorySize', 128)} MB",
        ]
        now = int(time.time() * 1000)
        entries = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
        cloudwatch_logs._append_log_events(stream, entries)
        with cloudwatch_logs._log_events_lock:
            if len(stream["events"]) > LOG_LINES * _SLACK:
                del stream["events"][:-LOG_LINES]
        fan_out(group, stream_name, entries)

    @replaces(eventbridge)
    def _put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        answer = put(data, allow_aws_source)
        log = eventbridge._events_log_list()
        if len(log) > EVENTS * _SLACK:
            del log[:-EVENTS]
        return answer

    @replaces(stepfunctions)
    def _start_execution(data: dict[str, Any]) -> Any:
        _trim_executions()
        return start(data)

    @replaces(dynamodb)
    def _emit_stream_event(table_name: str, *rest: Any, **named: Any) -> None:
        emit(table_name, *rest, **named)
        records = dynamodb._stream_records.get(table_name)
        if records and len(records) > TABLE_RECORDS * _SLACK:
            trimmed = dynamodb._stream_trimmed.get(table_name, 0)
            arn = (dynamodb._tables.get(table_name) or {}).get("LatestStreamArn", "")
            surplus = min(len(records) - TABLE_RECORDS, _unread_from(arn, trimmed + len(records)) - trimmed)
            if surplus > 0:
                del records[:surplus]
                dynamodb._stream_trimmed[table_name] = trimmed + surplus

    @replaces(kinesis)
    def _expire_records(stream: dict[str, Any]) -> None:
        cutoff = time.time() - stream["RetentionPeriodHours"] * 3600
        for shard in stream["shards"].values():
            records = shard["records"]
            expired = 0
            while expired < len(records) and records[expired]["ApproximateArrivalTimestamp"] < cutoff:
                expired += 1
            surplus = len(records) - KINESIS_RECORDS if len(records) > KINESIS_RECORDS * _SLACK else 0
            if surplus or expired:
                del records[: max(expired, surplus)]
