"""PricesTable as its template makes it, the stream, the queue of what is set aside, and the outbox."""

import base64
import json
from collections import Counter
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from gpubroker.messaging import aside
from gpubroker.messaging.price_stream import packed
from tests.unit.prices.changing import NOW_MS

REGION = "us-east-1"


@pytest.fixture
def table(make_table: Any) -> Any:
    return make_table("prices")


@pytest.fixture
def queue(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    aside.client.cache_clear()
    url = boto3.client("sqs", region_name=REGION).create_queue(QueueName="unread")["QueueUrl"]
    monkeypatch.setenv("UNREAD_PRICES_QUEUE_URL", url)
    yield url
    aside.client.cache_clear()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls to AWS by operation, counted where botocore makes them."""
    made: Counter[str] = Counter()
    real = BaseClient._make_api_call

    def counted(client: Any, operation: str, given: Any) -> Any:
        made[operation] += 1
        return real(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return made


@pytest.fixture
def facts(table: Any) -> Any:
    """The events in the outbox of a kind, in the order of their ids."""

    def of(kind: str) -> list[dict[str, Any]]:
        items = [json.loads(item["event"]) for item in table.scan()["Items"] if item["pk"].startswith("OUTBOX#")]
        return sorted((item for item in items if item["type"] == kind), key=lambda item: item["id"])

    return of


def record(number: int, *changes: dict[str, Any], shard: str = "shardId-000000000000") -> dict[str, Any]:
    text = base64.b64encode(packed(changes)).decode()
    return {"eventID": f"{shard}:{number}", "kinesis": {"sequenceNumber": str(number), "data": text}}


def clock() -> int:
    return NOW_MS
