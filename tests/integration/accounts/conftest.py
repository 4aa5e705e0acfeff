"""The accounts' API against moto: real handlers, callers as the edge would verify them, a clock of the test's."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import _lru_cache_wrapper
from importlib import import_module
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws

from gpubroker.composition import accounts as composition
from gpubroker.edge import http, rate_limits
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.ledger.book import Book
from gpubroker.storage import table as storage_table

READ, WRITE = "accounts:read", "accounts:write"
ADA, BOB, CYD, EVE, ROOT = (f"usr_01J000000000000000000000{name}" for name in ("AD", "B0", "CY", "EV", "R0"))


def _user(user_id: str) -> Caller:
    return Caller(Role.USER, user_id, user_id, Plan.PRO, frozenset({READ, WRITE}))


CALLERS = {
    "ada": _user(ADA),
    "bob": _user(BOB),
    "cyd": _user(CYD),
    "eve": _user(EVE),
    "reader": Caller(Role.USER, ADA, ADA, Plan.PRO, frozenset({READ})),
    "agent": Caller(Role.AGENT, "agt_1", ADA, Plan.PRO, frozenset({READ})),
    "service": Caller(
        Role.SERVICE, "billing", "svc_1", Plan.ENTERPRISE, frozenset({READ, "accounts:deduct", "internal:*"})
    ),
    "narrow service": Caller(Role.SERVICE, "narrow", "svc_2", Plan.ENTERPRISE, frozenset({"offers:read"})),
    "admin": Caller(Role.ADMIN, ROOT, ROOT, Plan.ENTERPRISE, frozenset({READ, WRITE, "admin:*"})),
}
PEOPLE = {"ada": ADA, "bob": BOB, "cyd": CYD, "eve": EVE}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)  # so that what happened is in order
        return self.now

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)


class People:
    """ledger.ports.Users: whoever has a name above."""

    def exists(self, user_id: str) -> bool:
        return user_id in {*PEOPLE.values(), ROOT}


@dataclass
class Api:
    """Calls the handlers as API Gateway does."""

    clock: Clock
    table: Any
    book: Book
    calls: list[str] = field(default_factory=list)
    keys: int = 0

    def __call__(
        self, handler: str, who: str | None, *path: str, body: Any = None, query: str = "", key: str | None = "new"
    ) -> SimpleNamespace:
        module = import_module(f"ledger.{handler}")
        names = [part[1:-1] for part in module.handler.route.path.split("/") if part.startswith("{")]
        parameters = dict(zip(names, path, strict=True))
        target = module.handler.route.path.format(**parameters)
        headers = {"x-role": who or ""}
        if key == "new":
            self.keys += 1
            key = f"key-{self.keys}"
        if key is not None:
            headers["idempotency-key"] = key
        event = {
            "version": "2.0",
            "headers": headers,
            "requestContext": {"http": {"method": "?", "path": "?", "sourceIp": "192.0.2.1"}, "requestId": "req-1"},
            "rawPath": target,
            "pathParameters": parameters,
            "rawQueryString": query,
            "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        self.calls.clear()
        answer = module.handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def made(self, handler: str, who: str, *path: str, body: Any = None, **more: Any) -> Any:
        reply = self(handler, who, *path, body=body, **more)
        assert reply.status < 300, f"{handler}: {reply.status} {reply.json}"
        return reply.json

    def credit(self, account_id: str, amount: float) -> Any:
        return self.made("credit_account", "admin", account_id, body={"amount": amount, "reason": "to begin with"})

    def balance(self, account_id: str) -> tuple[float, float, float]:
        """posted, held, available"""
        told = self.made("get_balance", "service", account_id)
        return told["posted"], told["held"], told["available"]

    def organization(self, who: str = "ada", **wanted: Any) -> str:
        return str(self.made("create_organization", who, body={"name": "Numbers", **wanted})["org_id"])

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The facts of a kind in the outbox, in order."""
        items = [item for item in self.table.scan()["Items"] if item["pk"].startswith("OUTBOX#")]
        events = [json.loads(item["event"]) for item in items]
        return sorted((one for one in events if one["type"] == kind), key=lambda one: one["occurred_at"])

    def state(self) -> list[dict[str, Any]]:
        """All that is kept: to see that nothing changed."""
        return sorted(self.table.scan()["Items"], key=lambda item: (item["pk"], item["sk"]))


@pytest.fixture(scope="module")
def kept() -> Iterator[Any]:
    """The table, made once for the tests of a module: each of them finds it empty."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
            patch.setenv(name, value)
        storage_table._shared.cache_clear()
        attributes = ("pk", "sk", "gsi1pk", "gsi1sk")
        dynamodb = boto3.resource("dynamodb", region_name="us-east-1")
        yield dynamodb.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
            KeySchema=_keys("pk", "sk"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "gsi1",
                    "KeySchema": _keys("gsi1pk", "gsi1sk"),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        storage_table._shared.cache_clear()


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


@pytest.fixture
def table(kept: Any) -> Iterator[Any]:
    yield kept
    for item in kept.scan()["Items"]:
        kept.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.fixture
def api(table: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    clock = Clock()
    ready = Api(clock, table, Book(clock=clock))

    def identify(event: Any, headers: dict[str, str]) -> Caller:
        return CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS, address="192.0.2.1"))

    real = botocore.client.BaseClient._make_api_call
    one_at_a_time = Lock()  # a call to DynamoDB is atomic; two threads inside moto are not

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls.append(operation)
        with one_at_a_time:
            return real(client, operation, arguments)

    forget()
    monkeypatch.setattr(http, "identify", identify)
    monkeypatch.setattr(composition, "users", People)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", clock)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    yield ready
    forget()


def forget() -> None:
    for found in vars(composition).values():
        if isinstance(found, _lru_cache_wrapper):
            found.cache_clear()
    rate_limits.limiter.cache_clear()
