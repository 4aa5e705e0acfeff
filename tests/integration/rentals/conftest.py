"""The rentals API against moto: real handlers, a market of the test's making, callers as the edge would verify them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from threading import Lock
from types import SimpleNamespace
from typing import Any

import botocore.client
import pytest

from gpubroker.composition import rentals as composition
from gpubroker.edge import http, rate_limits
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Unauthenticated
from gpubroker.kernel.ids import new_id
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.rentals.ports import OfferTerms
from gpubroker.rentals.rental import AgreedOffer

TERMS = OfferTerms("vastai-h100", "vastai", "H100", 1, "us-east", False, 2_000_000, True)
SCOPES = frozenset({"rentals:read", "rentals:write"})

CALLERS = {
    "free": Caller(Role.USER, "usr_free", "usr_free", Plan.FREE, SCOPES),
    "pro": Caller(Role.USER, "usr_pro", "usr_pro", Plan.PRO, SCOPES),
    "newcomer": Caller(Role.USER, "usr_new", "usr_new", Plan.FREE, SCOPES),
    "other": Caller(Role.USER, "usr_other", "usr_other", Plan.PRO, SCOPES),
    "reader": Caller(Role.USER, "usr_pro", "usr_pro", Plan.PRO, frozenset({"rentals:read"})),
    "agent": Caller(Role.AGENT, "agt_1", "usr_pro", Plan.PRO, SCOPES),
    "service": Caller(Role.SERVICE, "svc_1", "svc_1", Plan.ENTERPRISE, frozenset({"internal:*"})),
    "narrow service": Caller(Role.SERVICE, "svc_2", "svc_2", Plan.ENTERPRISE, frozenset({"offers:read"})),
    "admin": Caller(Role.ADMIN, "usr_admin", "usr_admin", Plan.ENTERPRISE, SCOPES | {"admin:*"}),
}


@dataclass
class Market:
    """Offers, and how often they were read."""

    offers: dict[str, OfferTerms] = field(default_factory=lambda: {TERMS.offer_id: TERMS})
    reads: int = 0

    def offer(self, offer_id: str) -> OfferTerms | None:
        self.reads += 1
        return self.offers.get(offer_id)

    def offer_for(self, tenant: str, offer_id: str) -> OfferTerms | None:
        return self.offer(offer_id)

    def similar(self, offer: AgreedOffer, limit: int) -> list[OfferTerms]:
        return []


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Api:
    """Calls the handlers as API Gateway does."""

    market: Market
    clock: Clock
    calls: list[str] = field(default_factory=list)

    def __call__(
        self,
        handler: str,
        role: str | None,
        *,
        body: Any = None,
        path: dict[str, str] | None = None,
        query: str = "",
        **headers: str,
    ) -> SimpleNamespace:
        event = {
            "version": "2.0",
            "headers": {"x-role": role or ""} | {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"http": {"method": "?", "path": "?", "sourceIp": "192.0.2.1"}, "requestId": "req-1"},
            "rawPath": "/".join(["", handler, *(path or {}).values()]),
            "pathParameters": path or {},
            "rawQueryString": query,
            "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        self.calls.clear()
        answer = import_module(f"rentals.{handler}").handler(event, None)
        text = answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"], headers=answer["headers"], json=json.loads(text) if text else None
        )

    def pay_in(self, tenant: str, dollars: int = 1_000_000) -> None:
        """Money on a tenant's account."""
        self.book.open(tenant)
        leg = Leg("house:clearing", tenant, dollars * 1_000_000)
        self.book.transfer(Transfer(new_id("dep"), "deposit", (leg,), {}))

    def new_hold(self, tenant: str, micros: int) -> NewHold:
        """Money that is spoken for elsewhere."""
        return NewHold(new_id("hld"), tenant, micros)

    @property
    def book(self) -> Book:
        return Book(clock=self.clock)

    def rent(self, role: str = "pro", **wanted: Any) -> SimpleNamespace:
        headers = wanted.pop("headers", {})
        return self("create_rental", role, body={"offer_id": TERMS.offer_id, "duration_hours": 1, **wanted}, **headers)


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    make_table("rentals")
    make_table("ledger")
    ready = Api(Market(), Clock())
    for tenant in ("usr_free", "usr_pro", "usr_other", "usr_admin"):
        ready.pay_in(tenant)

    def identify(event: Any, headers: dict[str, str]) -> Caller:
        if headers["x-role"] == "forged":
            raise Unauthenticated
        return CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS, address="192.0.2.1"))

    real = botocore.client.BaseClient._make_api_call
    one_at_a_time = Lock()  # a call to DynamoDB is atomic; two threads inside moto are not

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls.append(operation)
        with one_at_a_time:
            return real(client, operation, arguments)

    factories = (composition.rental_desk, composition.callback_desk, composition.due_sweep)
    for factory in factories:
        factory.cache_clear()
    rate_limits.limiter.cache_clear()
    monkeypatch.setattr(http, "identify", identify)
    monkeypatch.setattr(composition, "offer_source", lambda: ready.market)
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", ready.clock)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    yield ready
    for factory in factories:
        factory.cache_clear()
    rate_limits.limiter.cache_clear()
