"""Requests as API Gateway hands them to a function, from verified callers, and what surrounds a warm function."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from gpubroker.identity import keyring, tokens
from gpubroker.identity.standing import Session, Standing
from gpubroker.identity.verify import Verifier
from gpubroker.kernel.caller import Plan, Role
from infra.local import redis_server

EDGE_SECRET = "an edge secret of the benchmarks"
DAY = 24 * 3600


class Context:
    """What Lambda passes beside the event."""

    function_name = "gpubroker-offers-ListOffers"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:gpubroker-offers-ListOffers"
    memory_limit_in_mb = "1024"
    log_group_name = log_stream_name = "offers"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


class Callers:
    """Signed-in users with real tokens, and the verifier that knows them. Their standing is read from memory, and how
    often is counted: on AWS each of these reads is a GetItem."""

    def __init__(self, count: int, plan: Plan = Plan.PRO) -> None:
        now = time.time()
        self._ring, private = keyring.first(keyring.new_pair, now)
        signer = tokens.Signer.of(private.current)
        self.reads = 0
        self._standings: dict[str, Standing] = {}
        self.tokens: list[str] = []
        for number in range(count):
            user, session = f"usr_{number:026d}", f"ses_{number:026d}"
            ends = int(now) + DAY
            grant = Session(refresh_id="rft_1", created_at=int(now), refreshed_at=int(now), expires_at=ends)
            self._standings[user] = Standing(principal=user, role=Role.USER, plan=plan, sessions={session: grant})
            pair = tokens.pair_for_session(
                signer,
                user_id=user,
                session_id=session,
                refresh_id="rft_1",
                role="user",
                plan=plan.value,
                scopes=frozenset({"offers:read", "rentals:read", "rentals:write"}),
                at=int(now),
                session_expires_at=ends,
            )
            self.tokens.append(pair.access_token)
        self.verifier = Verifier(standing_of=self._standing_of, ring=self._read_ring)

    def _standing_of(self, principal: str) -> Standing | None:
        self.reads += 1
        return self._standings.get(principal)

    def _read_ring(self) -> keyring.Ring:
        self.reads += 1
        return self._ring

    def remember(self) -> None:
        """Have every caller verified now, as the first request of each would."""
        for number, token in enumerate(self.tokens):
            self.verifier.caller_of({"authorization": f"Bearer {token}"}, address_of(number))


def address_of(number: int) -> str:
    return f"203.0.{113 + number // 250}.{1 + number % 250}"


def event(query: str = "", *, token: str | None = None, address: str = "203.0.113.1") -> dict[str, Any]:
    """GET /api/v2/providers as an HTTP API sends it on (payload 2.0), having come through the edge."""
    headers = {
        "accept": "application/json",
        "accept-encoding": "gzip, br",
        "cloudfront-viewer-address": f"{address}:46532",
        "content-length": "0",
        "host": "abcdefghij.execute-api.us-east-1.amazonaws.com",
        "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
        "user-agent": "python-httpx/0.28.1",
        "via": "1.1 0123456789abcdef.cloudfront.net (CloudFront)",
        "x-amz-cf-id": "0123456789abcdefghijklmnopqrstuvwxyz==",
        "x-amzn-trace-id": "Root=1-6a3f1c2d-0123456789abcdef01234567",
        "x-forwarded-for": f"{address}, 130.176.1.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        "x-origin-secret": EDGE_SECRET,
    }
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    path = "/api/v2/providers"
    return {
        "version": "2.0",
        "routeKey": f"GET {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "GET",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "130.176.1.1",
                "userAgent": "python-httpx/0.28.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"GET {path}",
            "stage": "$default",
            "time": "24/May/2026:10:00:00 +0000",
            "timeEpoch": 1779616800000,
        },
        "isBase64Encoded": False,
    }


@cache
def scratch() -> Path:
    """A folder of this process, inside .local/ and gone with `tidy`."""
    home = Path(__file__).resolve().parents[2] / ".local"
    home.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="bench-", dir=home))


@contextmanager
def redis() -> Iterator[str]:
    """A real Redis server on a socket of its own: its URL."""
    from gpubroker.edge.redis_client import answers, connect

    home = Path(tempfile.mkdtemp(prefix="bench-redis-"))
    socket = home / "redis.sock"
    command = [redis_server.binary(), "--port", "0", "--unixsocket", str(socket), "--dir", str(home), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"unix://{socket}"
    try:
        deadline = time.monotonic() + 10
        while not answers(connect(url, 1.0)):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not come up")
            time.sleep(0.02)
        yield url
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def be_a_function(redis_url: str) -> None:
    """The environment of the list function, without any address or key of AWS: a call to it could not succeed."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        REDIS_URL=redis_url,
        EDGE_SECRET=EDGE_SECRET,
        IDENTITY_TABLE="none",
        OFFERS_TABLE="none",
        POWERTOOLS_SERVICE_NAME="offers",
        ENVIRONMENT="cloud",
        AWS_EC2_METADATA_DISABLED="true",
    )


@contextmanager
def standard_output_to(path: str = os.devnull) -> Iterator[None]:
    """Log lines are written for real, through the file descriptor that Lambda reads, but not to the terminal."""
    import sys

    sys.stdout.flush()
    kept = os.dup(1)
    target = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(target, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(target)


def body_of(response: dict[str, Any]) -> Any:
    """The JSON of an answer, which must be a good one."""
    if response["statusCode"] != 200:
        raise AssertionError(f"{response['statusCode']}: {response['body'][:300]}")
    return json.loads(response["body"])
