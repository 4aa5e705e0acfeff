"""What follows the usage stream and the facts of money asks AWS for nothing that its template does not allow."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from gpubroker.composition import economics, thresholds, usage
from gpubroker.kernel.time import utc_now
from gpubroker.usage.aggregation import Aggregation
from gpubroker.usage.hours import StoredHours
from gpubroker.usage.thresholds import later
from gpubroker.usage.thresholds.repository import Thresholds
from gpubroker.usage.thresholds.resources import Period, Resource
from infra.rules.templates import ROOT, functions
from tests.contract.test_each_function import Call, allowed, calls_of
from tests.faults.consumers import an_account
from tests.unit.management.economics.facts import ADA, ended, posted, settled
from tests.unit.usage.folding import Aside, records
from tests.unit.usage.folding import usage as an_event
from tests.unit.usage.thresholds.making import a_threshold

FACTORIES = (thresholds.threshold_checking, usage.usage_history, economics.economics_desk)


@pytest.fixture(autouse=True)
def account() -> Iterator[None]:
    tables = {"USAGE_TABLE": "UsageTable", "MANAGEMENT_TABLE": "ManagementTable"}
    with an_account(tables, USAGE_RETENTION_DAYS="400"), pytest.MonkeyPatch.context() as monkey:
        client = boto3.client("dynamodb")
        client.update_table(
            TableName="UsageTable",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("gsi1pk", "gsi1sk")],
            GlobalSecondaryIndexUpdates=[
                {
                    "Create": {
                        "IndexName": "gsi1",
                        "KeySchema": [
                            {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                            {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                        ],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                }
            ],
        )
        queue = boto3.client("sqs").create_queue(QueueName="second_look_queue_url")["QueueUrl"]
        monkey.setenv("SECOND_LOOK_QUEUE_URL", queue)
        for factory in FACTORIES:
            factory.cache_clear()
        later._client.cache_clear()
        yield
        for factory in FACTORIES:
            factory.cache_clear()
        later._client.cache_clear()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> set[Call]:
    """(action, resource) of every call from here on."""
    calls: set[Call] = set()
    real = BaseClient._make_api_call

    def recorded(self: Any, operation: str, given: dict[str, Any]) -> Any:
        calls.update(calls_of(self.meta.service_model.service_name, operation, given))
        return real(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    return calls


def rights(context: str, handler: str) -> set[Call]:
    found = functions(ROOT / "infra" / f"{context}.yaml").values()
    (properties,) = [one for one in found if one["Handler"] == f"{context}.{handler}.handler"]
    return allowed(properties)


def sqs(*bodies: str) -> dict[str, Any]:
    empty = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
    common: dict[str, Any] = {"receiptHandle": "r", "attributes": {}, "messageAttributes": {}, **empty}
    return {"Records": [{"messageId": f"m-{at}", "body": body, **common} for at, body in enumerate(bodies)]}


def _watched() -> list[dict[str, Any]]:
    """Thresholds on a level, on a user's sum and on an instance's, and usage that goes over each; as a batch."""
    day = timedelta(days=1)
    gpu = {"resource": Resource.GPU, "units": "seconds", "period": Period.MONTH, "user_id": "usr_1"}
    for threshold in (
        a_threshold(1, threshold_id="thr_level", user_id="usr_1"),
        a_threshold(1, threshold_id="thr_sum", **gpu),
        a_threshold(1, threshold_id="thr_own", instance_id="box", **gpu),
    ):
        Thresholds().create(threshold, idempotency=None, answer={})
    now_ms = int((utc_now() - day / 24).timestamp() * 1000)
    event = an_event(0, gpu_seconds=30, storage_gb=5)._replace(start_ms=now_ms - now_ms % 30_000)
    batch = records([event], received_ms=now_ms)
    assert Aggregation(StoredHours(), Aside(), lambda: now_ms).take(batch).counted == 1
    return batch


def _crossed() -> list[str]:
    items = boto3.resource("dynamodb").Table("UsageTable").scan()["Items"]
    return sorted(item["pk"].partition("#")[0] for item in items if item["pk"].endswith("#CROSSED"))


def _messages() -> list[str]:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sqs.models import sqs_backends

    queue = sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].queues["second_look_queue_url"]
    return [message.body for message in queue._messages]


def _missing(made: set[Call], context: str, handler: str) -> set[Call]:
    return made - rights(context, handler)


@pytest.fixture
def batch() -> list[dict[str, Any]]:
    return _watched()


def test_the_check_of_the_stream(batch: list[dict[str, Any]], made: set[Call]) -> None:
    answer = import_module("usage.check_thresholds").handler({"Records": batch}, None)
    asked = set(made)
    assert answer == {"batchItemFailures": []}
    assert _crossed() == ["thr_level", "thr_own", "thr_sum"]
    assert _missing(asked, "usage", "check_thresholds") == set()
    index = ("dynamodb:Query", "UsageTable/index/gsi1")
    assert {("dynamodb:ConditionCheckItem", "UsageTable"), ("sqs:SendMessage", "SecondLookQueue"), index} <= asked


def test_the_second_look_at_sums(batch: list[dict[str, Any]], made: set[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds.threshold_checking().take(batch)
    table = boto3.resource("dynamodb").Table("UsageTable")
    for item in table.scan()["Items"]:  # as if the first look had come too early
        if item["pk"].startswith(("thr_", "OUTBOX#")) or item["sk"].startswith("SUM#"):
            table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    made.clear()
    answer = import_module("usage.check_sums_again").handler(sqs(*_messages()), None)
    asked = set(made)
    assert answer == {"batchItemFailures": []}
    assert _crossed() == ["thr_own", "thr_sum"]
    assert _missing(asked, "usage", "check_sums_again") == set()


def test_the_counting_of_economic_metrics(made: set[Call]) -> None:
    facts: list[Any] = [posted((ADA, "escrow:1", 5)), settled(), ended()]
    handler: Callable[..., Any] = import_module("management.count_economics").handler
    assert handler(sqs(*map(json.dumps, facts)), None) == {"batchItemFailures": []}
    assert _missing(made, "management", "count_economics") == set()
    assert ("dynamodb:UpdateItem", "ManagementTable") in made
