"""Handlers of the offers context over a market in memory: a made-up verifier, no limit, no Redis, no AWS."""

import json
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from gpubroker.composition import identity as composition
from gpubroker.edge import market as edge_market
from gpubroker.edge import rate_limits
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Unauthenticated

SCOPES = frozenset({"offers:read", "favorites:write"})
CALLERS = {
    "free": Caller(Role.USER, "u-free", "u-free", Plan.FREE, SCOPES, "k1"),
    "pro": Caller(Role.USER, "u-pro", "u-pro", Plan.PRO, SCOPES, "k2"),
    "enterprise": Caller(Role.USER, "u-ent", "u-ent", Plan.ENTERPRISE, SCOPES, "k3"),
    "agent": Caller(Role.AGENT, "a-1", "u-pro", Plan.FREE, SCOPES, "k4"),
    "service": Caller(Role.SERVICE, "s-1", "s-1", Plan.ENTERPRISE, frozenset({"offers:read", "internal:*"}), "k5"),
    "admin": Caller(Role.ADMIN, "adm", "adm", Plan.ENTERPRISE, SCOPES | {"admin:*"}, "k6"),
    "narrow": Caller(Role.USER, "u-pro", "u-pro", Plan.PRO, frozenset({"rentals:read"}), "k7"),
}


class _Verifier:
    def caller_of(self, headers, address, now):
        try:
            return CALLERS[headers["authorization"].removeprefix("Bearer ")]
        except KeyError:
            raise Unauthenticated("Not ours.") from None


class _Unlimited:
    def check(self, caller, now=None):
        return rate_limits.Decision(True, 1000, 999, 1.0, 0.0)


class Reader:
    """In the place of the process's MarketReader."""

    def __init__(self, market=None):
        self.market = market

    def current(self):
        if isinstance(self.market, Exception):
            raise self.market
        return self.market


@pytest.fixture
def reader(monkeypatch):
    reader = Reader()
    monkeypatch.setattr(composition, "verifier", lambda: _Verifier())
    monkeypatch.setattr(rate_limits, "limiter", lambda: _Unlimited())
    monkeypatch.setattr(edge_market, "reader", lambda: reader)
    return reader


@pytest.fixture
def ask(reader):
    """Call a handler as an HTTP API would: (status, decoded body, headers)."""

    def ask(handler, query=None, *, body=None, who=None, headers=None, **path):
        event = {
            "version": "2.0",
            "rawQueryString": query if isinstance(query, str) else urlencode(query or {}),
            "headers": ({"authorization": f"Bearer {who}"} if who else {}) | (headers or {}),
            "pathParameters": path or None,
            "body": json.dumps(body) if body is not None else None,
            "isBase64Encoded": False,
            "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}, "requestId": "q"},
        }
        answer = handler(event, SimpleNamespace(aws_request_id="r"))
        kind = answer["headers"]["content-type"]
        decoded = json.loads(answer["body"]) if "json" in kind and answer["body"] else answer["body"]
        return answer["statusCode"], decoded, answer["headers"]

    return ask
