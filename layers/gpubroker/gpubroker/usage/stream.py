"""How usage events travel in the Kinesis stream: many to a record, by columns, compressed where that pays.

A record's data is one JSON object, plain or zlib of it:

    {"v": 1, "received_at": <epoch ms>,
     "series": [[instance, user, org or null, how many events], ...],
     "start": [...], "length": [...], "stamp": [...] or 0, "event_id": [...] or null,
     "cpu_seconds": [...] or null, ...}

The columns run over all events of the record, one series after the other; a column that no event has is null. So a
reader checks and adds whole columns, and 500 events are some 20 KB. A record with `"beat": <epoch ms>` and no series is
a heartbeat: all that was taken before that moment stands before it in its shard.

What another producer writes as the seed's plain JSON, one event or a list of them, is read as well.

A record belongs to one of PARTITIONS partitions by its instances, so all events of an instance are in one shard.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from gpubroker.usage.event import METRICS, Usage, told

PARTITIONS = 32
"""Partition keys. As many shards could be used; more keys are more and smaller records of one call."""
MOST_EVENTS = 500
"""Events of one record."""
MOST_BYTES = 1 << 20
"""What a record may unpack to."""
_VERSION = 1
_LEVEL = 1
_WORTH = 600  # bytes; zlib of less saves next to nothing and costs 15 us


class Unreadable(ValueError):
    """A record that holds no usage events."""


@dataclass(slots=True)
class Record:
    """A record read, and only read: nothing of its columns has been looked at.

    columns  None for a heartbeat; else as above
    beat_ms  of a heartbeat
    plain    events in the seed's own shape, of another producer; then there are no columns
    """

    columns: dict[str, Any] | None = None
    beat_ms: int | None = None
    plain: list[Any] | None = None


def partition_of(instance_id: str) -> str:
    """The partition key of an instance: always the same, so that its events stay in one shard and in order."""
    return f"u{zlib.crc32(instance_id.encode()) % PARTITIONS:02d}"


def packed(events: Iterable[Usage], received_ms: int) -> Iterator[tuple[str, bytes]]:
    """(partition key, data) of as few records as carry the events."""
    partitions: dict[str, list[Usage]] = {}
    for event in events:
        partitions.setdefault(partition_of(event.instance_id), []).append(event)
    for key, some in sorted(partitions.items()):
        some.sort(key=series_and_time)
        for start in range(0, len(some), MOST_EVENTS):
            yield key, _pack(some[start : start + MOST_EVENTS], received_ms)


def beats(at_ms: int) -> Iterator[tuple[str, bytes]]:
    """A heartbeat for every partition."""
    data = orjson.dumps({"v": _VERSION, "beat": at_ms})
    for number in range(PARTITIONS):
        yield f"u{number:02d}", data


def read(data: bytes) -> Record:
    """What a record holds. Raises Unreadable."""
    try:
        found = orjson.loads(data if data[:1] in (b"{", b"[") else _decompressed(data))
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise Unreadable(f"neither JSON nor zlib of it: {error}") from error
    if isinstance(found, list):
        return Record(plain=found)
    if not isinstance(found, dict):
        raise Unreadable("no JSON object and no list")
    if "v" not in found:
        return Record(plain=[found])
    if found["v"] != _VERSION:
        raise Unreadable(f"version {found['v']!r}")
    if "beat" in found:
        return Record(beat_ms=int(found["beat"]))
    return Record(columns=found)


def events_in(columns: dict[str, Any]) -> Iterator[Usage]:
    """The events of a record's columns, which are right."""
    at = 0
    metrics = [columns[name] for name in METRICS]
    stamps, ids = columns["stamp"], columns["event_id"]
    starts, lengths = columns["start"], columns["length"]
    for instance_id, user_id, org_id, count in columns["series"]:
        for row in range(at, at + count):
            yield Usage(
                instance_id,
                user_id,
                org_id,
                starts[row],
                lengths[row],
                stamps[row] if stamps else 0,
                ids[row] if ids else None,
                tuple(None if column is None else column[row] for column in metrics),
            )
        at += count


def unpacked(data: bytes) -> list[dict[str, Any]]:
    """The events of a record in the seed's shape, each with `event_id` and `received_at`; none of a heartbeat.

    Plain events of another producer are as they came. Raises Unreadable.
    """
    record = read(data)
    if record.plain is not None:
        return [event for event in record.plain if isinstance(event, dict)]
    if record.columns is None:
        return []
    try:
        received = int(record.columns["received_at"])
        return [told(event, received) for event in events_in(record.columns)]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise Unreadable(f"columns that do not fit: {error!r}") from error


def columns_of(events: list[Usage], received_ms: int) -> dict[str, Any]:
    """The columns of events that are sorted by series."""
    stamps = [event.stamp_ms for event in events]
    ids = [event.event_id for event in events]
    columns: dict[str, Any] = {
        "v": _VERSION,
        "received_at": received_ms,
        "series": [[*series, len(list(some))] for series, some in groupby(events, _series)],
        "start": [event.start_ms for event in events],
        "length": [event.length_ms for event in events],
        "stamp": stamps if any(stamps) else 0,
        "event_id": ids if any(ids) else None,
    }
    for name, column in zip(METRICS, zip(*(event.metrics for event in events), strict=True), strict=True):
        columns[name] = None if all(value is None for value in column) else list(column)
    return columns


def _pack(events: list[Usage], received_ms: int) -> bytes:
    plain = orjson.dumps(columns_of(events, received_ms))
    return plain if len(plain) < _WORTH else zlib.compress(plain, _LEVEL)


def _series(event: Usage) -> tuple[str, str, str | None]:
    return event.instance_id, event.user_id, event.org_id


def series_and_time(event: Usage) -> tuple[str, str, str, int]:
    return event.instance_id, event.user_id, event.org_id or "", event.start_ms


def _decompressed(data: bytes) -> bytes:
    reader = zlib.decompressobj()
    found = reader.decompress(data, MOST_BYTES)
    if not reader.eof:
        raise Unreadable(f"cut short, or over {MOST_BYTES} bytes")
    return found
