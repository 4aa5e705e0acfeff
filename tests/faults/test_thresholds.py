"""Each call to AWS by which the usage stream is held against thresholds fails in turn, before it, after it took effect,
or without an answer. After the retries that AWS would do, each crossing was told once, and none is lost. # 426, 473"""

import base64
import importlib
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest

from gpubroker.composition import thresholds as composition
from gpubroker.kernel.time import iso
from gpubroker.usage.thresholds import later
from gpubroker.usage.thresholds.checking import Checking
from gpubroker.usage.thresholds.repository import Thresholds
from gpubroker.usage.thresholds.resources import Period, Resource
from gpubroker.usage.thresholds.states import States
from gpubroker.usage.thresholds.threshold import Span
from gpubroker.usage.thresholds.watching import Watching
from tests.faults.consumers import MODES, Calls, an_account, brought
from tests.unit.usage.thresholds.making import NOW, a_threshold

TABLE = "usage-under-faults"


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    with an_account({"USAGE_TABLE": TABLE}), pytest.MonkeyPatch.context() as monkey:
        url = boto3.client("sqs").create_queue(QueueName="second-look-under-faults")["QueueUrl"]
        monkey.setenv("SECOND_LOOK_QUEUE_URL", url)
        later._client.cache_clear()
        yield
        later._client.cache_clear()


class Counted:
    def of(self, user_id: str, instance_id: str | None, span: Span) -> dict[str, Decimal]:
        return {"gpu_seconds": Decimal(40_000)}


def _record(number: int, user: str, *events: dict[str, Any]) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(events).encode()).decode()
    return {"eventID": f"shard:{number}", "kinesis": {"sequenceNumber": str(number), "data": data}}


def _usage(user: str, instance: str, seconds: float, **metrics: float) -> dict[str, Any]:
    end = NOW + timedelta(seconds=seconds)
    period = {"start": iso(end - timedelta(seconds=30)), "end": iso(end)}
    kind = {"event_type": "resource_usage", "version": "1.0", "timestamp": iso(end)}
    return kind | {"user_id": user, "instance_id": instance, "metrics": metrics, "period": period}


def _told(user: str, calls: Calls) -> list[tuple[str, str | None, float]]:
    """What was told of a user with three thresholds and two instances, by instance and value."""
    repository = Thresholds()
    gpu = {"resource": Resource.GPU, "units": "hours", "period": Period.MONTH, "user_id": user}
    for threshold in (
        a_threshold(500, user_id=user, threshold_id=f"thr_a{user}"),
        a_threshold(100, user_id=user, threshold_id=f"thr_b{user}", every=Decimal(200)),
        a_threshold(10, threshold_id=f"thr_c{user}", **gpu),
    ):
        repository.create(threshold, idempotency=None, answer={})
    records = [
        _record(1, user, _usage(user, "a", 0, storage_gb=90, gpu_seconds=30), _usage(user, "b", 0, storage_gb=10)),
        _record(2, user, _usage(user, "a", 30, storage_gb=350)),
        _record(3, user, _usage(user, "b", 30, storage_gb=700), _usage(user, "a", 60, storage_gb=50)),
        _record(4, user, _usage(user, "a", 90, storage_gb=120)),
    ]
    checking = Checking(
        watching=Watching(), states=States(), totals=Counted(), later=later.LaterQueue(), clock=lambda: NOW
    )
    handler = importlib.import_module("usage.check_thresholds").handler
    with pytest.MonkeyPatch.context() as monkey, calls.installed():
        monkey.setattr(composition, "threshold_checking", lambda: checking)
        brought(handler, records, name=lambda record: record["kinesis"]["sequenceNumber"])
    items = boto3.resource("dynamodb").Table(TABLE).scan()["Items"]
    facts = [json.loads(item["event"])["data"] for item in items if item["pk"].startswith("OUTBOX#")]
    kept = [item for item in items if item["pk"].endswith(f"{user}#CROSSED")]
    found = sorted(
        (fact["threshold_id"].removesuffix(user), fact["instance_id"], fact["measured"])
        for fact in facts
        if fact["user_id"] == user
    )
    assert len(kept) == len(found)
    return found


def test_every_call_fails_once_and_every_crossing_is_told_once() -> None:
    plain = Calls()
    expected = [
        ("thr_a", "b", 700.0),
        ("thr_b", "a", 120.0),
        ("thr_b", "a", 350.0),
        ("thr_b", "b", 700.0),
        ("thr_c", None, 11.111111),
    ]
    assert _told("user-plain", plain) == expected
    assert {"BatchGetItem", "Query", "TransactWriteItems", "GetItem", "SendMessage"} == set(plain.made)
    for place in range(len(plain.made)):
        for mode in MODES:
            told = _told(f"user-{place}-{mode}", Calls((place, mode)))
            assert told == expected, (place, plain.made[place], mode)
