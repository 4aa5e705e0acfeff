"""Thresholds on moto: real handlers over a real table, sums of the test's making, callers as the edge would verify."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.client
import pytest

from gpubroker.composition import thresholds as composition
from gpubroker.composition import webhooks
from gpubroker.delivery.webhooks import vault
from gpubroker.edge import http, rate_limits
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.shared_window import Policy
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.time import iso
from gpubroker.usage.thresholds import later
from gpubroker.usage.thresholds.checking import Checking
from gpubroker.usage.thresholds.states import States
from gpubroker.usage.thresholds.threshold import Span
from gpubroker.usage.thresholds.watching import Watching
from tests.unit.usage.thresholds.making import NOW

CALLERS = {
    "admin": Caller(Role.ADMIN, "usr_admin", "usr_admin", Plan.ENTERPRISE),
    "user": Caller(Role.USER, "user_123456", "user_123456", Plan.ENTERPRISE),
    "service": Caller(Role.SERVICE, "svc_1", "svc_1", Plan.ENTERPRISE, frozenset({"internal:*"})),
}
SEED: dict[str, Any] = {
    "resource_type": "storage",
    "threshold_type": "absolute",
    "threshold_value": 500,
    "units": "GB",
    "action": "notify",
    "user_id": "user_123456",
    "notification_channels": ["email", "api_callback"],
}
FACTORIES = (composition.threshold_desk, webhooks.webhook_desk, webhooks.webhook_secret_desk, vault.vault)


class Clock:
    def __init__(self) -> None:
        self.now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Counted:
    """What the metering would have counted: by user, instance and metric, of one period."""

    totals: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=dict)
    asked: list[tuple[str, str | None, Span]] = field(default_factory=list)

    def of(self, user_id: str, instance_id: str | None, span: Span) -> dict[str, Decimal]:
        self.asked.append((user_id, instance_id, span))
        found: Counter[str] = Counter()
        for (user, instance), metrics in self.totals.items():
            if user == user_id and instance_id in (None, instance):
                for name, value in metrics.items():
                    found[name] += value  # type: ignore[assignment]
        return dict(found)  # type: ignore[arg-type]

    def set(self, user_id: str = "user_123456", instance_id: str = "instance_abcdef", **metrics: Any) -> None:
        self.totals[user_id, instance_id] = {name: Decimal(str(value)) for name, value in metrics.items()}


@dataclass
class Api:
    clock: Clock
    table: Any
    counted: Counted
    checking: Checking
    queue: str
    calls: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def __call__(
        self,
        handler: str,
        who: str = "admin",
        *,
        body: Any = None,
        query: str = "",
        path: dict[str, str] | None = None,
        **headers: str,
    ) -> SimpleNamespace:
        event = {
            "version": "2.0",
            "headers": {"x-role": who} | {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"http": {"method": "?", "path": "?", "sourceIp": "192.0.2.1"}, "requestId": "req-1"},
            "rawPath": "/".join(["", handler, *(path or {}).values()]),
            "pathParameters": path or {},
            "rawQueryString": query,
            "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = import_module(f"usage.{handler}").handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def threshold(self, **changes: Any) -> dict[str, Any]:
        answer = self("create_threshold", body=SEED | changes)
        assert answer.status == 201, answer.json
        made: dict[str, Any] = answer.json
        return made

    def one(self, handler: str, threshold: dict[str, Any], **how: Any) -> SimpleNamespace:
        return self(handler, path={"threshold_id": threshold["threshold_id"]}, **how)

    def record(self, *events: dict[str, Any]) -> dict[str, Any]:
        """A record of the stream."""
        self.number += 1
        data = base64.b64encode(json.dumps(list(events)).encode()).decode()
        return {
            "eventID": f"shardId-000000000000:{self.number}",
            "kinesis": {"sequenceNumber": str(self.number), "partitionKey": "u01", "data": data},
        }

    def take(self, *records: dict[str, Any]) -> str | None:
        """A batch; the sequence number that it is to come again from."""
        answer = import_module("usage.check_thresholds").handler({"Records": list(records)}, None)
        failures = answer["batchItemFailures"]
        return failures[0]["itemIdentifier"] if failures else None

    def see(self, *events: dict[str, Any]) -> None:
        assert self.take(self.record(*events)) is None

    def facts(self) -> list[dict[str, Any]]:
        items = self.table.scan()["Items"]
        told = [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
        return sorted(told, key=lambda fact: (fact["data"]["measured_at"], fact["data"]["threshold_id"]))

    def measured(self) -> list[float]:
        return [fact["data"]["measured"] for fact in self.facts()]

    def waiting(self) -> list[str]:
        """Messages of the second look, due or not."""
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.sqs.models import sqs_backends

        queue = sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].queues["second-look"]
        return [message.body for message in queue._messages]


def usage(seconds: float = 0, *, user: str = "user_123456", instance: str = "instance_abcdef", **metrics: Any) -> Any:
    """An event of a period of 30 s that ends so many seconds after NOW."""
    end = NOW + timedelta(seconds=seconds)
    return {
        "event_type": "resource_usage",
        "version": "1.0",
        "timestamp": iso(end),
        "user_id": user,
        "instance_id": instance,
        "metrics": metrics,
        "period": {"start": iso(end - timedelta(seconds=30)), "end": iso(end)},
    }


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    clock, counted = Clock(), Counted()
    make_table("delivery")
    key = boto3.client("secretsmanager").create_secret(Name="webhook-key", SecretString="k" * 48)["ARN"]
    monkeypatch.setenv("WEBHOOK_KEY_ARN", key)
    queue = boto3.client("sqs").create_queue(QueueName="second-look")["QueueUrl"]
    monkeypatch.setenv("SECOND_LOOK_QUEUE_URL", queue)
    later._client.cache_clear()
    vault._secrets_manager.cache_clear()
    for factory in FACTORIES:
        factory.cache_clear()
    # Each look at what is remembered of thresholds is a second after the one before, each look at sums two minutes.
    seconds, minutes = itertools.count(0.0, 1.0), itertools.count(0.0, 120.0)
    checking = Checking(
        watching=Watching(elapsed=lambda: next(seconds)),
        states=States(),
        totals=counted,
        later=later.LaterQueue(),
        clock=clock,
        elapsed=lambda: next(minutes),
    )
    ready = Api(clock, make_table("usage"), counted, checking, queue)
    real = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls[operation] += 1
        return real(client, operation, arguments)

    generous = Limiter(lambda: None, policies={plan: Policy(1_000_000) for plan in Plan})
    monkeypatch.setattr(rate_limits, "limiter", lambda: generous)
    monkeypatch.setattr(http, "identify", lambda event, headers: CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS)))
    monkeypatch.setattr(composition, "threshold_checking", lambda: checking)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", clock)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    yield ready
    later._client.cache_clear()
    for factory in FACTORIES:
        factory.cache_clear()
