"""A table and a stream of usage on moto."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
import pytest

from gpubroker.messaging import aside
from gpubroker.usage import pending, sink
from gpubroker.usage.aggregation import Account, Aggregation
from gpubroker.usage.event import Usage
from gpubroker.usage.hours import StoredHours
from tests.integration.conftest import REGION
from tests.unit.usage.folding import NOON, Aside, records

HOUR_MS = 3_600_000


@pytest.fixture
def table(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("USAGE_RETENTION_DAYS", "400")
    pending._marked.clear()
    yield make_table("usage")
    pending._marked.clear()


@pytest.fixture
def stream(table: Any) -> Iterator[Any]:
    sink._client.cache_clear()
    aside.client.cache_clear()
    client = boto3.client("kinesis", region_name=REGION)
    client.create_stream(StreamName="usage-events", ShardCount=1)
    yield client
    sink._client.cache_clear()
    aside.client.cache_clear()


def count(events: Iterable[Usage]) -> Account:
    """As a batch of the stream would."""
    some = list(events)
    brought = records(some, received_ms=max(one.start_ms + one.length_ms for one in some))
    account = Aggregation(StoredHours(), Aside(), lambda: NOON).take(brought)
    assert (account.failed, account.unreadable) == (None, 0), account.errors
    return account


def shard_records(client: Any) -> list[dict[str, Any]]:
    """All that is in the stream."""
    iterator = client.get_shard_iterator(
        StreamName="usage-events", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[dict[str, Any]] = client.get_records(ShardIterator=iterator)["Records"]
    return found
