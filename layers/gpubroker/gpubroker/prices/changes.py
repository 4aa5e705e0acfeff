"""Price changes as they come out of the stream: decoded and checked by columns, and by rows where one is bad.

A `Change` is a plain tuple, since there may be a quarter of a million a second (docs/prices.md): (provider, offer_id,
old price, new price, new price of the machine, timestamp, gpu_type, gpu_count, region, spot, event_id, milliseconds,
mark), prices in micro-USD per GPU-hour. The mark tells changes of one offer apart in 63 bits: the moment, and a hash of
the event id for those of one moment.
"""

from typing import Any, TypeAlias
from zlib import crc32

from gpubroker.kernel.time import parse_iso
from gpubroker.messaging.price_stream import FIELDS, Columns, Unreadable, unpacked

Change: TypeAlias = tuple[str, str, int, int, int, str, str, int, str | None, bool, str, int, int]

LARGEST = 10**12
"""A million USD an hour, in micros."""
LONGEST = 128
AHEAD_MS = 5 * 60_000
"""How far a clock may be ahead of ours. A change from next week would make all until then look late."""

_TEXTS = ("provider", "offer_id", "timestamp", "gpu_type", "event_id")
_AMOUNTS = ("old_price_micros", "new_price_micros", "new_price_micros_per_hour", "gpu_count")
_HASH_BITS = 22  # beside 41 bits of milliseconds
_NONE = type(None)
_REGIONS = ({str}, {_NONE}, {str, _NONE})


def read(data: bytes, now_ms: int) -> tuple[list[Change], list[dict[str, Any]]]:
    """The changes of a record, and its rows that are none. Raises Unreadable when there is nothing to be had."""
    columns = unpacked(data)
    if not columns["offer_id"]:
        return [], []
    try:
        moments = _checked(columns, now_ms)
        return list(zip(*columns.values(), moments, _marks(moments, columns["event_id"]), strict=True)), []
    except (Unreadable, UnicodeEncodeError):
        return _one_by_one(columns, now_ms)


def _one_by_one(columns: Columns, now_ms: int) -> tuple[list[Change], list[dict[str, Any]]]:
    good: list[Change] = []
    bad: list[dict[str, Any]] = []
    for values in zip(*columns.values(), strict=True):
        row = {name: [value] for name, value in zip(FIELDS, values, strict=True)}
        try:
            moments = _checked(row, now_ms)
            good.append((*values, *moments, *_marks(moments, row["event_id"])))
        except (Unreadable, UnicodeEncodeError) as error:
            bad.append({name: value[0] for name, value in row.items()} | {"wrong": str(error)})
    return good, bad


def _checked(columns: Columns, now_ms: int) -> list[int]:
    """The milliseconds of each timestamp, when every value is what it should be. Raises Unreadable."""
    for name in _TEXTS:
        texts = columns[name]
        try:  # join takes nothing but texts, and `in` finds an empty one: neither is a call a row
            right = "".join(texts) and "" not in texts and max(map(len, texts)) <= LONGEST
        except TypeError:
            right = False
        if not right:
            raise Unreadable(f"{name} is no text of 1 to {LONGEST} characters")
    for name in _AMOUNTS:
        amounts = columns[name]
        if set(map(type, amounts)) != {int} or min(amounts) <= 0 or max(amounts) > LARGEST:
            raise Unreadable(f"{name} is no integer from 1 to {LARGEST}")
    if set(map(type, columns["region"])) not in _REGIONS:
        raise Unreadable("region is neither text nor null")
    if any(len(region or "") > LONGEST for region in set(columns["region"])):
        raise Unreadable(f"region is longer than {LONGEST} characters")
    if set(map(type, columns["spot"])) != {bool}:
        raise Unreadable("spot is neither true nor false")
    moments = {text: _milliseconds(text) for text in set(columns["timestamp"])}
    if max(moments.values()) > now_ms + AHEAD_MS:
        raise Unreadable("timestamp is ahead of the clock")
    if len(moments) == 1:  # all of one sync, as usual
        return list(moments.values()) * len(columns["timestamp"])
    return [moments[text] for text in columns["timestamp"]]


def _marks(moments: list[int], event_ids: list[str]) -> list[int]:
    hashes = map(crc32, map(str.encode, event_ids))
    if moments[0] == moments[-1] and len(set(moments)) == 1:
        base = moments[0] << _HASH_BITS
        return [base | some >> 32 - _HASH_BITS for some in hashes]
    return [at_ms << _HASH_BITS | some >> 32 - _HASH_BITS for at_ms, some in zip(moments, hashes, strict=True)]


def _milliseconds(text: str) -> int:
    try:
        return round(parse_iso(text).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Unreadable("timestamp is no RFC 3339 moment") from error
