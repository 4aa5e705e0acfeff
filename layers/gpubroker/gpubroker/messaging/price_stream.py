"""How price changes travel in the Kinesis stream: many to a record, by columns, compressed (R12.4 (247)).

A record's data is zlib of one JSON object, `{"v": 1, "provider": [...], "offer_id": [...], ...}`: one list a field, in
step. Columns are a quarter less than rows after compression, and are checked a column at a time. A single change as
a plain JSON object, which is what was sent before, is understood as well: both may be in the stream while a new
version is rolled out.

The two prices in USD are left out of the columns: they are the micros, divided. `rows` puts them back.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

FIELDS = (
    "provider",
    "offer_id",
    "old_price_micros",
    "new_price_micros",
    "new_price_micros_per_hour",
    "timestamp",
    "gpu_type",
    "gpu_count",
    "region",
    "spot",
    "event_id",
)
PARTITIONS = 32
"""Partition keys. As many shards could be used; more keys are more and smaller records of one sync."""
MOST_CHANGES = 500
MOST_BYTES = 1 << 20
"""What a record may unpack to; 500 changes are about 130 KB."""
_VERSION = 1
_LEVEL = 1

Columns = dict[str, list[Any]]


class Unreadable(ValueError):
    """A record that holds no price changes."""


def partition_of(offer_id: str) -> str:
    """The partition key of an offer: always the same, so that one offer's changes stay in one shard and in order."""
    return f"p{zlib.crc32(offer_id.encode()) % PARTITIONS:02d}"


def packed(changes: Iterable[Mapping[str, Any]]) -> bytes:
    """One record's data."""
    rows = list(changes)
    columns: dict[str, Any] = {"v": _VERSION}
    for name in FIELDS:
        columns[name] = [change[name] for change in rows]
    return zlib.compress(orjson.dumps(columns), _LEVEL)


def unpacked(data: bytes) -> Columns:
    """The columns of a record, not yet looked at but for being lists of one length. Raises Unreadable."""
    try:
        told = orjson.loads(data if data[:1] == b"{" else _decompressed(data))
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise Unreadable(f"neither JSON nor zlib of it: {error}") from error
    if not isinstance(told, dict):
        raise Unreadable("no JSON object")
    if "v" not in told:
        told = {name: [told.get(name)] for name in FIELDS}
    elif told["v"] != _VERSION:
        raise Unreadable(f"version {told['v']!r}")
    try:
        lengths = {len(told[name]) for name in FIELDS if isinstance(told[name], list)}
        columns = {name: told[name] for name in FIELDS if isinstance(told[name], list)}
    except KeyError as error:
        raise Unreadable(f"no column {error}") from error
    if len(columns) != len(FIELDS) or len(lengths) != 1:
        raise Unreadable("columns of different lengths")
    return columns


def rows(data: bytes) -> Iterator[dict[str, Any]]:
    """The changes of a record as events/offers/PriceChanged.v1.schema.json has them."""
    columns = unpacked(data)
    for values in zip(*columns.values(), strict=True):
        change = dict(zip(columns, values, strict=True))
        yield change | {
            "old_price": change["old_price_micros"] / 1_000_000,
            "new_price": change["new_price_micros"] / 1_000_000,
        }


def _decompressed(data: bytes) -> bytes:
    reader = zlib.decompressobj()
    found = reader.decompress(data, MOST_BYTES)
    if not reader.eof:
        raise Unreadable(f"cut short, or over {MOST_BYTES} bytes")
    return found
