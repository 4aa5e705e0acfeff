"""What the detector keeps in PricesTable.

    SERIES#<offer>     STATE              an offer's last samples (version, ring, last_ms, sequence)
    WINDOW#<minute>    PART#<gpu>#<shard> what one shard counted in one minute of one GPU type
    WINDOW#<minute>    TOLD#<gpu>         what was last published of a window (samples, version = revision)
    WINDOWS            <minute>#<shard>   a minute with something to publish; `stamp` changes with every write

A part belongs to one shard, so that two shards never write the same item.
"""

import struct
import zlib
from datetime import UTC, datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.kernel.time import iso
from gpubroker.prices.detector import Series
from gpubroker.storage.table import Item, Table

SERIES_KEPT_S = 180 * 24 * 3600
"""Since the last change of an offer. An item that its TTL has not yet removed is as good as before: nobody checks."""
WINDOW_KEPT_S = 6 * 3600
DUE = "WINDOWS"
PART = "PART#"
TOLD = "TOLD#"


class StateItem(Item):
    """A series, or a part of a window: one model, so that one call reads both."""

    class Meta(Table):
        env = "PRICES_TABLE"

    ring = BinaryAttribute(null=True, legacy_encoding=False)
    last_ms = NumberAttribute(null=True)
    sequence = NumberAttribute(null=True)
    gpu_type = UnicodeAttribute(null=True)
    samples = NumberAttribute(null=True)
    total = NumberAttribute(null=True)
    lowest = NumberAttribute(null=True)
    highest = NumberAttribute(null=True)
    stamp = UnicodeAttribute(null=True)


def series_key(offer_id: str) -> tuple[str, str]:
    return f"SERIES#{offer_id}", "STATE"


def minute_text(minute_ms: int) -> str:
    return iso(datetime.fromtimestamp(minute_ms / 1000, UTC))[:16]


def part_key(gpu_type: str, minute_ms: int, shard: str) -> tuple[str, str]:
    return f"WINDOW#{minute_text(minute_ms)}", f"{PART}{gpu_type}#{shard}"


def packed_ring(series: Series) -> bytes:
    """Prices and marks, 16 bytes a sample before compression and 8 to 10 after it."""
    values = (*series.prices, *series.seen)
    return zlib.compress(struct.pack(f"<{len(values)}q", *values), 6)


def series_of(item: StateItem) -> Series:
    plain = zlib.decompress(item.ring)
    values = struct.unpack(f"<{len(plain) // 8}q", plain)
    half = len(values) // 2
    return Series(
        values[:half],
        values[half:],
        last_ms=int(item.last_ms),
        sequence=int(item.sequence),
        version=int(item.version),
    )
