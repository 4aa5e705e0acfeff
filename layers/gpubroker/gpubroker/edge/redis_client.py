"""The one door to Redis: a pooled client per timeout, made on first use and kept for the life of the process.

Redis is a cache and a counter here, never the truth: every caller has a way on without it, so a client gives up after
one try and a short wait, and says so by `redis.RedisError`. `redis` itself is imported on first use: it costs about
55 ms, which a function without REDIS_URL need not pay.
"""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis

COUNTERS_TIMEOUT_S = 0.05
"""For rate limits and metrics: a request must not wait longer than this for a counter."""

SNAPSHOT_TIMEOUT_S = 0.5
"""For parts of the offer snapshot: up to a megabyte in one answer."""

CONNECTIONS = 16
"""A Lambda serves one request at a time; more than a few connections only come from threads in tests and tools."""


@cache
def redis_client(timeout_s: float = COUNTERS_TIMEOUT_S) -> "Redis | None":
    """The process's client of REDIS_URL with this timeout for connecting and for each answer; None when it is empty.

    Nothing is sent before the first command. RESP2 and no driver info: a new connection costs no round trip of its own.
    """
    url = os.environ.get("REDIS_URL", "")
    return connect(url, timeout_s) if url else None


def connect(url: str, timeout_s: float = COUNTERS_TIMEOUT_S) -> "Redis":
    """A client of its own for `redis://`, `rediss://` or `unix://`. Raises ValueError on any other URL."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
    )


def answers(client: "Redis | None") -> bool:
    """Whether Redis answers a PING within the client's timeout; False without a client. For /health."""
    if client is None:
        return False
    from redis import RedisError

    try:
        return bool(client.ping())
    except RedisError:
        return False
