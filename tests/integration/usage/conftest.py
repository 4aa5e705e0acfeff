"""A table and a stream of usage on moto, and batches as Lambda brings them."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

import boto3
import pytest

from gpubroker.usage import aside, sink
from gpubroker.usage.event import Usage
from gpubroker.usage.stream import packed
from tests.integration.conftest import REGION

HOUR_MS = 1_795_600_800_000 - 1_795_600_800_000 % 3_600_000
"""The hour in which most of these events lie."""


@pytest.fixture
def table(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {"USAGE_TABLE": "usage", "USAGE_STREAM": "usage-events", "USAGE_RETENTION_DAYS": "400"}.items():
        monkeypatch.setenv(name, value)
    return make_table("usage")


@pytest.fixture
def stream(table: Any) -> Any:
    sink._client.cache_clear()
    aside._client.cache_clear()
    client = boto3.client("kinesis", region_name=REGION)
    client.create_stream(StreamName="usage-events", ShardCount=1)
    yield client
    sink._client.cache_clear()
    aside._client.cache_clear()


def usage(
    slot: int,
    instance: str = "ren_1.m1",
    user: str = "usr_1",
    org: str | None = None,
    event_id: str | None = None,
    length_ms: int = 30_000,
    hour_ms: int = HOUR_MS,
    **metrics: int,
) -> Usage:
    """The event of one 30 s slot of an hour; metrics in whole units, one gpu_second a second by default."""
    from gpubroker.usage.event import METRICS, UNIT

    given = metrics or {"gpu_seconds": length_ms // 1000}
    values = tuple(given[name] * UNIT if name in given else None for name in METRICS)
    return Usage(instance, user, org, hour_ms + slot * 30_000, length_ms, 0, event_id, values)


def records(events: Iterable[Usage], *, received_ms: int | None = None, first: int = 0) -> list[dict[str, Any]]:
    some = list(events)
    received = received_ms or max(one.start_ms + one.length_ms for one in some)
    return [as_record(key, data, first + number) for number, (key, data) in enumerate(packed(some, received))]


def as_record(key: str, data: bytes, number: int) -> dict[str, Any]:
    return {
        "eventID": f"shardId-000000000000:{number}",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/usage-events",
        "kinesis": {
            "partitionKey": key,
            "sequenceNumber": str(number),
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_795_600_900.0,
        },
    }
