"""The identity context on moto: its table, its secret, its functions called as API Gateway calls them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.client import BaseClient

from gpubroker.composition import identity as composition
from gpubroker.identity import signing
from gpubroker.identity.store import ring as ring_store
from gpubroker.identity.use_cases import administration
from gpubroker.identity.verify import Verifier
from gpubroker.kernel.time import utc_now
from gpubroker.messaging import mail

ADMIN = ("root@example.com", "an administrator's sentence")


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Api:
    """Calls handlers with HTTP API events (payload 2.0)."""

    address: str = "203.0.113.7"

    def __call__(
        self,
        name: str,
        body: Any = None,
        *,
        token: str | None = None,
        key: str | None = None,
        path: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        raw: str | None = None,
        address: str | None = None,
    ) -> Reply:
        import importlib

        handler = importlib.import_module(f"identity.{name}").handler
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if key is not None:
            sent["x-api-key"] = key
        event = {
            "version": "2.0",
            "headers": sent,
            "pathParameters": path or {},
            "rawQueryString": urlencode(query or {}),
            "requestContext": {"requestId": "req-1", "http": {"sourceIp": address or self.address}},
            "body": raw if raw is not None else (json.dumps(body) if body is not None else ""),
            "isBase64Encoded": False,
        }
        answer = handler(event, None)
        text = answer["body"]
        return Reply(answer["statusCode"], json.loads(text) if text else None, answer["headers"])


@pytest.fixture
def api(identity: Any) -> Api:
    return Api()


@pytest.fixture
def identity(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The IdentityTable, an empty secret as the platform makes it, and fresh factories."""
    table = make_table("identity")
    secret = boto3.client("secretsmanager").create_secret(Name="signing-keys", SecretString="{}")
    boto3.client("sesv2").create_email_identity(EmailIdentity="no-reply@gpubroker.example")
    monkeypatch.setenv("SIGNING_KEYS_SECRET", secret["ARN"])
    monkeypatch.setenv("MAIL_FROM", "no-reply@gpubroker.example")
    factories = (signing.signing_keys, mail.ses, ring_store.known_keys)
    for factory in factories:
        factory.cache_clear()
    # Most tests look at what is true, not at what was true half a minute ago; the lag has tests of its own.
    monkeypatch.setattr(composition, "verifier", lambda: Verifier(lag_seconds=0.0))
    yield table
    for factory in factories:
        factory.cache_clear()


@pytest.fixture
def aws_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The AWS operations called from here on, in order."""
    calls: list[str] = []
    real = BaseClient._make_api_call

    def counted(self: Any, operation: str, parameters: Any) -> Any:
        calls.append(operation)
        return real(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return calls


@dataclass
class Person:
    user_id: str
    email: str
    password: str
    token: str
    refresh_token: str


@pytest.fixture
def person(api: Api) -> Callable[..., Person]:
    """Register and log in."""

    def make(email: str = "ada@example.com") -> Person:
        password = "a long and quiet sentence"
        assert api("register_user", {"email": email, "password": password}).status == 202
        tokens = api("log_in", {"email": email, "password": password}).body
        return Person(tokens["user_id"], email, password, tokens["access_token"], tokens["refresh_token"])

    return make


@pytest.fixture
def admin(api: Api) -> Person:
    user_id = administration.create_admin(*ADMIN, name=None, now=utc_now())
    tokens = api("log_in", {"email": ADMIN[0], "password": ADMIN[1]}).body
    return Person(user_id, *ADMIN, tokens["access_token"], tokens["refresh_token"])


@pytest.fixture
def outbox(identity: Any) -> Callable[[], list[dict[str, Any]]]:
    """The facts written so far, oldest first."""

    def facts() -> list[dict[str, Any]]:
        items = identity.scan()["Items"]
        found = [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
        return sorted(found, key=lambda fact: fact["id"])

    return facts


@pytest.fixture
def deliver() -> Callable[[dict[str, Any]], dict[str, str]]:
    """Give a fact to the mail function, as the bus would."""

    def give(fact: dict[str, Any]) -> dict[str, str]:
        from identity import send_mail

        detail = fact["data"] | {
            "event_id": fact["id"],
            "occurred_at": fact["occurred_at"],
            "traceparent": None,
            "correlation_id": None,
        }
        return send_mail.handler({"source": "gpubroker.identity", "detail-type": fact["type"], "detail": detail}, None)

    return give


@pytest.fixture
def mailbox() -> Callable[[], list[dict[str, Any]]]:
    """What moto's SES was asked to send."""

    def sent() -> list[dict[str, Any]]:
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.ses.models import ses_backends

        return [
            {"to": message.destinations["ToAddresses"], "subject": message.subject, "text": message.body}
            for message in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
        ]

    return sent
