"""Alerts on moto: real handlers over a real table, a market of the test's making, callers as the edge would verify."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from threading import Lock
from types import SimpleNamespace
from typing import Any

import botocore.client
import pytest

from gpubroker.composition import alerts as composition
from gpubroker.edge import http, rate_limits
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.shared_window import Policy
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.prices.alerts import workflow
from gpubroker.prices.alerts.alert import Quote, Selector
from tests.unit.prices.alerts.making import NOW, an_update

SCOPES = frozenset({"alerts:read", "alerts:write"})
CALLERS = {
    "ada": Caller(Role.USER, "usr_ada", "usr_ada", Plan.FREE, SCOPES),
    "bob": Caller(Role.USER, "usr_bob", "usr_bob", Plan.PRO, SCOPES),
    "reader": Caller(Role.USER, "usr_ada", "usr_ada", Plan.FREE, frozenset({"alerts:read"})),
    "agent": Caller(Role.AGENT, "agt_1", "usr_bob", Plan.PRO, SCOPES),
}
FACTORIES = (composition.alert_desk, composition.alert_matcher, composition.alert_firing)


class Clock:
    def __init__(self) -> None:
        self.now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Market:
    """What is on the market: offers with their prices."""

    quotes: dict[str, Quote] = field(default_factory=dict)

    def gpu(self, name: str) -> tuple[str, int | None] | None:
        return {"a100": ("A100", None), "h100": ("H100", None), "a100 80gb": ("A100", 80)}.get(name.lower())

    def regions(self, name: str) -> tuple[str, ...]:
        return {"us": ("us", "us-east", "us-west"), "us-east": ("us-east",)}.get(name, ())

    def providers(self) -> tuple[str, ...]:
        return ("runpod", "vastai")

    def price_of(self, offer_id: str) -> int | None:
        found = self.quotes.get(offer_id)
        return found.price_micros if found else None

    def cheapest(self, selector: Selector) -> Quote | None:
        covered = [
            quote
            for quote in self.quotes.values()
            if selector.covers(gpu_type=quote.gpu_type, region=quote.region, provider=quote.provider, spot=quote.spot)
        ]
        return min(covered, key=lambda quote: quote.price_micros, default=None)

    def sell(self, offer_id: str, price_micros: int, **more: Any) -> None:
        known = {"provider": "vastai", "gpu_type": "A100", "gpu_count": 1, "region": "us-east", "spot": False}
        self.quotes[offer_id] = Quote(offer_id=offer_id, price_micros=price_micros, **known | more)


@dataclass
class Api:
    """Calls the handlers as API Gateway and the queue do; executions are run at once, as their definition says."""

    clock: Clock
    market: Market
    table: Any
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

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
            "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        self.calls.clear()
        answer = import_module(f"prices.{handler}").handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def alert(self, who: str = "ada", **wanted: Any) -> dict[str, Any]:
        headers = wanted.pop("headers", {})
        answer = self("create_alert", who, body={"gpu_type": "A100", "max_price": 1.5} | wanted, **headers)
        assert answer.status == 201, answer.json
        made: dict[str, Any] = answer.json
        return made

    def updated(self, *updates: dict[str, Any], event_id: str = "evt_1") -> list[str]:
        """A PricesUpdated in the queue; the ids of the messages that failed."""
        detail = {
            "updates": list(updates),
            "event_id": event_id,
            "occurred_at": "",
            "traceparent": None,
            "correlation_id": None,
        }
        body = {"source": "gpubroker.prices", "detail-type": "PricesUpdated", "detail": detail}
        answer = import_module("prices.match_alerts").handler({"Records": [message(body)]}, None)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def fall(
        self, old: int = 2_000_000, new: int = 1_400_000, *, event_id: str = "evt_1", **more: Any
    ) -> dict[str, Any]:
        """One change, told and fired."""
        update = an_update(old, new, at=self.clock.now, **more)
        assert self.updated(update, event_id=event_id) == []
        return update

    def fire(self, wanted: dict[str, Any]) -> None:
        step = import_module("prices.fire_alerts").handler
        for page in wanted["pages"]:
            step({**wanted, "page": page}, None)

    def facts(self) -> list[dict[str, Any]]:
        """What was told, in the order of firing."""
        items = self.table.scan()["Items"]
        told = [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
        return sorted(told, key=lambda fact: (fact["data"]["alert_id"], fact["data"]["crossing"]))

    def entries(self) -> list[str]:
        return sorted(
            f"{item['pk']} {item['sk']}" for item in self.table.scan()["Items"] if item["pk"].startswith("WATCH#")
        )


def message(body: Any) -> dict[str, Any]:
    """An SQS record of a Lambda event."""
    empty = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
    return {
        "messageId": "m-1",
        "receiptHandle": "r",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {},
        "messageAttributes": {},
        **empty,
    }


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    ready = Api(Clock(), Market(), make_table("prices"))
    real = botocore.client.BaseClient._make_api_call
    one_at_a_time = Lock()  # a call to DynamoDB is atomic; two threads inside moto are not

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls.append((operation, arguments))
        with one_at_a_time:
            return real(client, operation, arguments)

    def start(self: Any, name: str, wanted: dict[str, Any]) -> bool:
        if name in ready.executions:
            return False
        ready.executions[name] = wanted
        ready.fire(wanted)
        return True

    for factory in FACTORIES:
        factory.cache_clear()
    # Limits have tests of their own; here nobody must be refused for being fast.
    generous = Limiter(lambda: None, policies={plan: Policy(1_000_000) for plan in Plan})
    monkeypatch.setattr(rate_limits, "limiter", lambda: generous)
    monkeypatch.setattr(http, "identify", lambda event, headers: CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS)))
    monkeypatch.setattr(composition, "alert_market", lambda: ready.market)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", ready.clock)
    monkeypatch.setattr(workflow.Workflows, "start", start)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    yield ready
    for factory in FACTORIES:
        factory.cache_clear()
