"""Hours in memory, events, and batches as Lambda brings them."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from gpubroker.usage.aggregation import Account, Aggregation, HourKey
from gpubroker.usage.event import METRICS, UNIT, Usage
from gpubroker.usage.hour import Hour, Stored
from gpubroker.usage.stream import packed

NOON = 1_795_608_000_000
"""2026-11-25T12:00:00Z"""


def usage(
    start_s: int,
    length_s: int = 30,
    *,
    instance: str = "box",
    user: str = "usr_1",
    org: str | None = None,
    event_id: str | None = None,
    **metrics: float,
) -> Usage:
    """An event that begins so many seconds after noon; metrics in their units, a gpu_second a second by default."""
    given = metrics or {"gpu_seconds": length_s}
    values = tuple(round(given[name] * UNIT) if name in given else None for name in METRICS)
    return Usage(instance, user, org, NOON + start_s * 1000, length_s * 1000, 0, event_id, values)


def records(
    events: Iterable[Usage], *, received_ms: int = NOON + 3 * 3_600_000, first: int = 0
) -> list[dict[str, Any]]:
    return [record(key, content, first + at) for at, (key, content) in enumerate(packed(events, received_ms))]


def record(key: str, content: bytes, number: int) -> dict[str, Any]:
    return {
        "eventID": f"shard:{number}",
        "kinesis": {
            "partitionKey": key,
            "sequenceNumber": str(number),
            "data": base64.b64encode(content).decode(),
            "approximateArrivalTimestamp": (NOON + 3_600_000) / 1000,
        },
    }


class Kept:
    """usage.aggregation.Hours in this process, versions and all; counts what it was asked."""

    def __init__(self) -> None:
        self.hours: dict[HourKey, Stored] = {}
        self.beats: dict[str, int] = {}
        self.writes = 0

    def read(self, keys: Iterable[HourKey]) -> Mapping[HourKey, Stored]:
        return {key: self.hours[key] for key in keys if key in self.hours}

    def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
        lost: dict[HourKey, Exception | None] = {}
        for key, stored in hours.items():
            before = self.hours.get(key)
            if stored.version != (before.version if before else 0) + 1:
                lost[key] = None
                continue
            self.writes += 1
            self.hours[key] = stored
        return lost

    def reached(self, beats: Mapping[str, int], shard: str) -> None:
        self.beats |= beats

    def totals(self) -> dict[HourKey, dict[str, list[Any]]]:
        """By hour and organisation: all sums."""
        return {
            key: {org: sums.plain() for org, sums in sorted(Hour(key[2], stored).sums.items())}
            for key, stored in sorted(self.hours.items())
        }

    def events(self) -> dict[HourKey, list[Usage]]:
        """By hour: the events that were counted, by time."""
        return {
            key: sorted((event for event, _ in Hour(key[2], stored).events()), key=lambda one: one.start_ms)
            for key, stored in self.hours.items()
        }


class Aside:
    def __init__(self) -> None:
        self.put_aside: list[dict[str, Any]] = []

    def put(self, what: dict[str, Any]) -> None:
        self.put_aside.append(what)


def take(kept: Kept, brought: list[dict[str, Any]], aside: Aside | None = None) -> Account:
    return Aggregation(kept, aside or Aside(), lambda: NOON + 3_600_000).take(brought)
