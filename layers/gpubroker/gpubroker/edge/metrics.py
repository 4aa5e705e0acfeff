"""What this house counts of itself: requests by route, and whatever else a function names (checklist 210, 259).

Counted in the process (about 1 us a request) and added to Redis in one batch, at most once a second: `/metrics` is the
sum over all processes. What a process has not yet added when it is frozen and never thawed is lost, at most its last
second; the page says so. A batch whose answer is lost is sent again, so that after trouble with Redis a count may be a
little high, never silently low.

Series are bounded: a route is its template, never a path; beyond `SERIES`, new ones are counted under `other`.

CloudWatch gets the same from the one log line of a request: `emf()` gives the fields that make it an embedded metric.
Powertools' Metrics writes a line of its own for each request (13 us, and nearly twice the log bill), and DESIGN §5
wants one line; a test holds the fields to what Powertools writes.
"""

import logging
import os
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from gpubroker.edge.redis_client import redis_client

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, inclusive, in seconds: Prometheus' own and two below, for a warm answer takes less than its first."""
FLUSH_S = 1.0
AWAY_S = 5.0
"""How long Redis is left alone after a batch failed, in seconds."""
SERIES = 2000
SHARDS = 8
"""Redis hashes that processes spread over, so that none is hot."""
KEPT_S = 30 * 24 * 3600
"""A hash is forgotten when nothing was added to it for so long, in seconds; Prometheus reads that as a restart."""

REQUESTS = "gpubroker_http_requests_total"
DURATION = "gpubroker_http_request_duration_seconds"
HELP = {
    REQUESTS: "Requests by route template, method and status.",
    DURATION: "Seconds from event to answer, by route template and method.",
}
NOTE = """\
# Added up over all functions, each of which sends what it counted at most once a second.
# What a frozen function had not sent is missing here.
"""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BOUNDS = (*(f"{bound:g}" for bound in BUCKETS_S), "+Inf")


class Registry:
    """Counts of one process on their way to Redis. Thread safe.

    client  gives the Redis client, or None: then counts stay in the process and are rendered from there
    clock   seconds that never go back
    series  how many series of each kind are kept before new ones go to `other`
    """

    def __init__(
        self, client: "Callable[[], Redis | None]", *, clock: Callable[[], float] = time.monotonic, series: int = SERIES
    ) -> None:
        self._client = client
        self._clock = clock
        self._most = series
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], list[int]] = {}  # one count a bound, then the sum in microseconds
        self._counters: dict[str, int] = {}
        self._gauges: dict[str, float] = {}
        self._shard = f"metrics:{os.urandom(1)[0] % SHARDS}"
        self._flush_at = clock()
        self._away = False

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answered request. `route` is the template of the route, `seconds` from event to answer."""
        if method not in _METHODS:
            method = "other"
        with self._lock:
            durations = self._durations.get((route, method))
            if durations is None:
                if len(self._durations) >= self._most:
                    route = "other"
                durations = self._durations.setdefault((route, method), [0] * (len(_BOUNDS) + 1))
            durations[bisect_left(BUCKETS_S, seconds)] += 1
            durations[-1] += round(seconds * 1e6)
            key = (route, method, status)
            self._requests[key] = self._requests.get(key, 0) + 1
            if self._clock() >= self._flush_at:
                self._flush()

    def counter(self, name: str, labels: Mapping[str, str] | None = None, by: int = 1) -> None:
        """Add to a counter, whose name ends in `_total`. Raises ValueError for a name that Prometheus would refuse."""
        series = _series(name, labels)
        with self._lock:
            if series not in self._counters and len(self._counters) >= self._most:
                series = _series(name, {"series": "other"})
            self._counters[series] = self._counters.get(series, 0) + by
            if self._clock() >= self._flush_at:
                self._flush()

    def gauge(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Set a value that goes up and down.

        It is shown by this process only: the function that renders sets what it has just read from shared state.
        """
        series = _series(name, labels)
        with self._lock:
            if series in self._gauges or len(self._gauges) < self._most:
                self._gauges[series] = value

    def flush(self) -> bool:
        """Send what was counted, now. Whether nothing is left to send."""
        with self._lock:
            return self._flush()

    def _flush(self) -> bool:
        self._flush_at = self._clock() + FLUSH_S
        counts = self._counts()
        client = self._client()
        if client is None or not counts:
            return not counts
        from redis import RedisError

        batch = client.pipeline(transaction=False)
        for field, value in counts.items():
            batch.hincrby(self._shard, field, value)
        batch.expire(self._shard, KEPT_S)
        try:
            batch.execute()
        except (RedisError, OSError) as error:
            if not self._away:
                logger.warning("metrics wait in this process: Redis failed with %r", error)
            self._away, self._flush_at = True, self._clock() + AWAY_S
            return False
        self._away = False
        self._requests.clear()
        self._durations.clear()
        self._counters.clear()
        return True

    def _counts(self) -> dict[str, int]:
        """What was counted and not yet sent, by Redis field: a series, or `:<bound>:<labels>` of a duration."""
        counts = dict(self._counters)
        for (route, method, status), count in self._requests.items():
            counts[_series(REQUESTS, {"method": method, "route": route, "status": str(status)})] = count
        for (route, method), numbers in self._durations.items():
            labels = _labels({"method": method, "route": route})
            for bound, count in zip((*_BOUNDS, "sum"), numbers, strict=True):
                if count:
                    counts[f":{bound}:{labels}"] = count
        return counts

    def render(self) -> str:
        """All counts in Prometheus' text format 0.0.4. With Redis away those of this process, and it says so."""
        with self._lock:
            self._flush()
            counts = self._counts()
            gauges = dict(self._gauges)
        client = self._client()
        if client is None:
            note = "# Of this process alone: it has no Redis.\n"
        else:
            from redis import RedisError

            try:
                stored = [_hash(client, f"metrics:{shard}") for shard in range(SHARDS)]
            except (RedisError, OSError):
                note = "# Of this process alone: Redis does not answer.\n"
            else:
                note = NOTE
                for fields in stored:
                    for field, value in fields.items():
                        counts[field] = counts.get(field, 0) + value
        return note + "".join(_exposition(counts, gauges))


def _hash(client: "Redis", key: str) -> dict[str, int]:
    stored: Any = client.hgetall(key)
    return {field.decode(): int(value) for field, value in stored.items()}


def _exposition(counts: Mapping[str, int], gauges: Mapping[str, float]) -> Iterator[str]:
    durations: dict[str, dict[str, int]] = {}
    families: dict[tuple[str, str], list[str]] = {}
    for field, count in counts.items():
        if field.startswith(":"):
            _, bound, labels = field.split(":", 2)
            durations.setdefault(labels, {})[bound] = count
        else:
            families.setdefault((field.partition("{")[0], "counter"), []).append(f"{field} {count}\n")
    for series, value in gauges.items():
        families.setdefault((series.partition("{")[0], "gauge"), []).append(f"{series} {value:g}\n")
    for (family, kind), lines in sorted(families.items()):
        yield from _heading(family, kind)
        yield from sorted(lines)
    if durations:
        yield from _heading(DURATION, "histogram")
    for labels, numbers in sorted(durations.items()):
        total = 0
        for bound in sorted({*_BOUNDS, *numbers} - {"sum"}, key=float):
            total += numbers.get(bound, 0)
            yield f'{DURATION}_bucket{{{labels},le="{bound}"}} {total}\n'
        yield f"{DURATION}_sum{{{labels}}} {numbers.get('sum', 0) / 1e6:.6f}\n"
        yield f"{DURATION}_count{{{labels}}} {total}\n"


def _heading(family: str, kind: str) -> Iterator[str]:
    if family in HELP:
        yield f"# HELP {family} {HELP[family]}\n"
    yield f"# TYPE {family} {kind}\n"


def _series(name: str, labels: Mapping[str, str] | None) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a metric")
    return f"{name}{{{_labels(labels)}}}" if labels else name


def _labels(labels: Mapping[str, str]) -> str:
    """`a="1",b="2"`, sorted by name, escaped as the text format asks."""
    for name in labels:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a label")
    return ",".join(f'{name}="{_escaped(labels[name])}"' for name in sorted(labels))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_DIRECTIVES = [
    {
        "Namespace": "gpubroker",
        "Dimensions": [["service"]],
        "Metrics": [
            {"Name": "duration_ms", "Unit": "Milliseconds"},
            {"Name": "client_errors", "Unit": "Count"},
            {"Name": "server_errors", "Unit": "Count"},
        ],
    }
]


def emf(status: int, now_ms: int) -> dict[str, Any]:
    """The fields that turn a request's log line into CloudWatch metrics (Embedded Metric Format).

    The line itself has `service` and `duration_ms`. By service only: each further dimension is $0.30 a month for each
    value and metric, and Logs Insights finds the route in the same line. Averages of the two errors are error rates,
    the sample count of the duration is the throughput.
    """
    return {
        "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": _DIRECTIVES},
        "client_errors": int(400 <= status < 500),
        "server_errors": int(status >= 500),
    }


@cache
def registry() -> Registry:
    """The counts of this process."""
    return Registry(redis_client)


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """`Registry.count_request` of this process."""
    registry().count_request(route, method, status, seconds)


def counter(name: str, labels: Mapping[str, str] | None = None, by: int = 1) -> None:
    """`Registry.counter` of this process."""
    registry().counter(name, labels, by)


def gauge(name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
    """`Registry.gauge` of this process."""
    registry().gauge(name, value, labels)


def render() -> str:
    """`Registry.render` of this process."""
    return registry().render()
