"""Items that somebody must look at by some moment: an index of their keys, the most urgent first.

gsi1pk  <due_name>#<shard>   writers spread over the shards, the sweep reads them all
gsi1sk  <moment>#<sk>        an item without both is due never
"""

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from gpubroker.kernel.time import iso
from gpubroker.storage.table import Item

SHARDS = 8


class DueIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "gsi1"
        projection = KeysOnlyProjection()

    gsi1pk = UnicodeAttribute(hash_key=True)
    gsi1sk = UnicodeAttribute(range_key=True)


class DueItem(Item):
    """Base of such a model, which names its shards (`due_name`) and has an index of its own (`due = DueIndex()`)."""

    due_name: ClassVar[str]
    due: ClassVar[DueIndex]

    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)

    @classmethod
    def due_key(cls, sk: str, moment: datetime) -> tuple[str, str]:
        """Where an item stands in the index."""
        return cls._shard(zlib.crc32(sk.encode()) % SHARDS), f"{iso(moment)}#{sk}"

    @classmethod
    def due_by(cls, now: datetime, *, limit: int) -> Iterator[tuple[str, str]]:
        """(pk, sk) of what must be looked at by now, at most `limit` a shard, the most urgent first."""
        until = f"{iso(now)}~"  # '~' sorts after the '#' that precedes the sk
        for shard in range(SHARDS):
            for item in cls.due.query(cls._shard(shard), DueIndex.gsi1sk < until, limit=limit, page_size=limit):
                yield item.pk, item.sk

    @classmethod
    def all_due(cls) -> Iterator[tuple[str, str]]:
        """(pk, sk) of every item that is due some time."""
        for shard in range(SHARDS):
            for item in cls.due.query(cls._shard(shard)):
                yield item.pk, item.sk

    @classmethod
    def _shard(cls, number: int) -> str:
        return f"{cls.due_name}#{number}"
