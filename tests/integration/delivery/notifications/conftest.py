"""Notifications on moto: real handlers over a real table, SES and SNS, and identity's profiles of the test's making."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.client
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications import sns
from gpubroker.delivery.notifications.ports import Address
from gpubroker.edge import http, rate_limits
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.shared_window import Policy
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.messaging import mail
from tests.integration.prices.alerts.conftest import Clock, message

MANAGE = frozenset({"notifications:manage"})
CALLERS = {
    "ada": Caller(Role.USER, "usr_ada", "usr_ada", Plan.FREE, MANAGE),
    "bob": Caller(Role.USER, "usr_bob", "usr_bob", Plan.PRO, MANAGE),
    "bare": Caller(Role.USER, "usr_ada", "usr_ada", Plan.FREE, frozenset()),
    "service": Caller(Role.SERVICE, "svc_kpi", "svc_kpi", Plan.ENTERPRISE, frozenset({"internal:*"})),
    "other service": Caller(Role.SERVICE, "svc_2", "svc_2", Plan.ENTERPRISE, frozenset({"offers:read"})),
}
FACTORIES = (composition.notification_desk, composition.teller, mail.ses, sns.sns)
TOPICS = f"arn:aws:sns:us-east-1:{DEFAULT_ACCOUNT_ID}:gpubroker-push-"


@dataclass
class Addresses:
    known: dict[str, Address] = field(
        default_factory=lambda: {
            "usr_ada": Address("ada@example.com", True),
            "usr_bob": Address("bob@example.com", False),
        }
    )

    def address_of(self, user_id: str) -> Address | None:
        return self.known.get(user_id)


@dataclass
class Api:
    clock: Clock
    addresses: Addresses
    table: Any
    calls: list[str] = field(default_factory=list)

    def __call__(
        self,
        handler: str,
        who: str,
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
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        self.calls.clear()
        answer = import_module(f"delivery.{handler}").handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def deliver(self, function: str, event: dict[str, Any]) -> list[str]:
        """An event in the queue of a function; the ids of the messages that failed."""
        answer = import_module(f"delivery.{function}").handler({"Records": [message(event)]}, None)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def tell(self, event: dict[str, Any]) -> list[str]:
        return self.deliver("tell_notices", event)

    def relay(self) -> None:
        """Every fact in the outbox, to the function behind its rule; again and again is as good as once."""
        for fact in self.facts():
            told = {"event_id": fact["id"], "occurred_at": fact["occurred_at"]}
            event = {"source": fact["source"], "detail-type": fact["type"], "detail": fact["data"] | told}
            function = {"NotificationRequested": "tell_notices", "PushDeviceChanged": "link_devices"}[fact["type"]]
            assert self.deliver(function, event) == []

    def facts(self) -> list[dict[str, Any]]:
        items = self.table.scan()["Items"]
        told = [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
        return sorted(told, key=lambda fact: fact["id"])

    def inbox(self, who: str = "ada") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("list_notifications", who).json["notifications"]
        return found

    def mails(self) -> list[tuple[str, str, str]]:
        """(to, subject, text) of each mail that SES was given."""
        sent = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
        return [(one.destinations["ToAddresses"][0], one.subject, one.body) for one in sent]

    def pushes(self) -> list[dict[str, Any]]:
        """What was published to each topic."""
        topics = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].topics.values()
        return [json.loads(sent[1]) for topic in topics for sent in topic.sent_notifications]


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    ready = Api(Clock(), Addresses(), make_table("delivery"))
    boto3.client("sesv2", region_name="us-east-1").create_email_identity(EmailIdentity="no-reply@gpubroker.example")
    real = botocore.client.BaseClient._make_api_call
    one_at_a_time = Lock()

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls.append(operation)
        with one_at_a_time:
            return real(client, operation, arguments)

    for factory in FACTORIES:
        factory.cache_clear()
    # Limits have tests of their own; here nobody must be refused for being fast.
    generous = Limiter(lambda: None, policies={plan: Policy(1_000_000) for plan in Plan})
    monkeypatch.setattr(rate_limits, "limiter", lambda: generous)
    monkeypatch.setattr(http, "identify", lambda event, headers: CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS)))
    monkeypatch.setattr(composition, "_Addresses", lambda: ready.addresses)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", ready.clock)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    # moto posts to https subscribers by itself; nobody listens at the tests' addresses.
    monkeypatch.setattr("moto.sns.models.requests.post", lambda *arguments, **more: None)
    monkeypatch.setenv("MAIL_FROM", "no-reply@gpubroker.example")
    monkeypatch.setenv("PUSH_TOPICS_ARN", TOPICS)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    yield ready
    for factory in FACTORIES:
        factory.cache_clear()
