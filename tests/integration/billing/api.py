"""Billing's handlers as API Gateway calls them, on moto's tables; callers as the edge would verify them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import botocore.client
import pytest

from gpubroker.composition import pricing as composition
from gpubroker.edge import http, rate_limits
from gpubroker.kernel.caller import Caller, Plan, Role

SCOPES = frozenset({"billing:read", "billing:write"})
ME, OTHER = "usr_01KSCN0000000000000000000A", "usr_01KSCN0000000000000000000B"
ADMIN = "usr_01KSCN0000000000000000000Z"
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)

CALLERS = {
    "me": Caller(Role.USER, ME, ME, Plan.PRO, SCOPES),
    "other": Caller(Role.USER, OTHER, OTHER, Plan.FREE, SCOPES),
    "agent": Caller(Role.AGENT, "agt_1", ME, Plan.PRO, frozenset({"billing:read"})),
    "service": Caller(Role.SERVICE, "svc_1", "svc_1", Plan.ENTERPRISE, frozenset({"internal:*", "billing:read"})),
    "admin": Caller(Role.ADMIN, ADMIN, ADMIN, Plan.ENTERPRISE, SCOPES | {"admin:*"}),
}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)


class People:
    """Who there is: one's own account is seen."""

    def may_see(self, caller: Caller, account_id: str) -> bool:
        return caller.tenant == account_id

    def exists(self, account_id: str) -> bool:
        return account_id in (ME, OTHER)


@dataclass
class Api:
    clock: Clock
    table: Any
    calls: list[str] = field(default_factory=list)

    def __call__(
        self, handler: str, role: str | None, *, body: Any = None, query: str = "", key: str = "", **path: str
    ) -> SimpleNamespace:
        headers = {"x-role": role or ""} | ({"idempotency-key": key} if key else {})
        event = {
            "version": "2.0",
            "headers": headers,
            "requestContext": {"http": {"method": "?", "path": "?", "sourceIp": "192.0.2.1"}, "requestId": "req-1"},
            "rawPath": "/".join(["", handler, *path.values()]),
            "pathParameters": path,
            "rawQueryString": query,
            "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        self.calls.clear()
        answer = import_module(f"billing.{handler}").handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def told(self, kind: str = "AdminIntervention") -> list[dict[str, Any]]:
        """The data of the events in the outbox, in the order in which they were told."""
        items = [json.loads(item["event"]) for item in self.table.scan()["Items"] if item["pk"].startswith("OUTBOX#")]
        ordered = sorted(items, key=lambda item: (item["occurred_at"], item["id"]))
        return [item["data"] for item in ordered if item["type"] == kind]

    def fields(self, answer: SimpleNamespace) -> list[str]:
        return [error["field"] for error in answer.json.get("errors", ())]


def serving(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    ready = Api(Clock(), make_table("billing"))

    def identify(event: Any, headers: dict[str, str]) -> Caller:
        return CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS, address="192.0.2.1"))

    real = botocore.client.BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls.append(operation)
        return real(client, operation, arguments)

    factories = (composition.plan_desk, composition.discount_desk, composition.credit_desk, composition.pricing_desk)
    for factory in factories:
        factory.cache_clear()
    rate_limits.limiter.cache_clear()
    monkeypatch.setattr(http, "identify", identify)
    monkeypatch.setattr(composition, "billed_accounts", People)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", ready.clock)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    yield ready
    for factory in factories:
        factory.cache_clear()
    rate_limits.limiter.cache_clear()
