"""The log of public messages: what WebSockets resume from, and what server-sent events are read from.

    STREAM                   HEAD             the sequence of the last message
    STREAM#<block>           <last sequence>  the messages of one fact: sequences `first` to the key's, compressed JSON
    STREAM#EVENT#<event id>  SEQUENCES        which sequences a fact got: a second delivery finds them, writes nothing

Sequences are counted without gaps; head, messages and mark are one transaction, so what has a sequence can be read by
it. A block holds the facts whose last sequence divides by BLOCK to the same number, at most BLOCK items: a reader goes
from its own sequence to the head by key, whatever the clocks say. What is older than an hour is a gap.
"""

import json
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pynamodb.attributes import BinaryAttribute, NumberAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Unavailable
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import AlreadyDone, StaleVersion, transaction

BLOCK = 1000
KEPT_SECONDS = 3600
_MARKED_SECONDS = 4 * 86400
"""Longer than the queue brings a fact again."""
MOST_READ = 1000
"""Messages of one read, about; the rest is read next."""
_AGAIN = Backoff(base_s=0.01, cap_s=0.3, tries=10)

Body = dict[str, Any]


class HeadItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    head = NumberAttribute(default=0)


class LogItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    first = NumberAttribute()
    messages = BinaryAttribute(legacy_encoding=False)


class MarkItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    first = NumberAttribute()
    last = NumberAttribute()


@dataclass(frozen=True, slots=True)
class Read:
    """messages  in order, each with its `sequence`
    position  the sequence to go on from
    head      the last there is; more than `position` when there was more than one read takes
    gap       what came directly after the reader's sequence is gone, or was never written by this log
    """

    messages: list[Body]
    position: int
    head: int
    gap: bool = False

    @property
    def more(self) -> bool:
        return self.position < self.head


class PublicLog:
    def __init__(self, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep

    def head(self) -> int:
        try:
            return int(HeadItem.get("STREAM", "HEAD", consistent_read=True).head)
        except DoesNotExist:
            return 0

    def append(self, event_id: str, bodies: Sequence[Body]) -> list[Body]:
        """The messages of a fact with their sequences; the same ones when it is delivered again.

        Raises Unavailable when other writers were always first.
        """
        for attempt in range(_AGAIN.tries):
            head = self.head()
            try:
                self._write(event_id, bodies, head)
                first = head + 1
            except AlreadyDone:
                first = int(MarkItem.get(f"STREAM#EVENT#{event_id}", "SEQUENCES", consistent_read=True).first)
            except StaleVersion:
                self._sleep(_AGAIN.wait(attempt))
                continue
            return [{**body, "sequence": first + number} for number, body in enumerate(bodies)]
        raise Unavailable("The log is written by too many at once.", retry_after=1)

    def _write(self, event_id: str, bodies: Sequence[Body], head: int) -> None:
        now = int(self._clock())
        first, last = head + 1, head + len(bodies)
        unchanged = HeadItem.head == head if head else HeadItem.pk.does_not_exist()
        entry = LogItem(
            _block(last),
            _key(last),
            first=first,
            messages=zlib.compress(json.dumps(bodies, separators=(",", ":")).encode(), 6),
            expires_at=now + KEPT_SECONDS,
        )
        mark = MarkItem(
            f"STREAM#EVENT#{event_id}", "SEQUENCES", first=first, last=last, expires_at=now + _MARKED_SECONDS
        )
        with transaction(HeadItem) as tx:
            tx.put(HeadItem("STREAM", "HEAD", head=last), condition=unchanged, lost=StaleVersion)
            tx.put(entry, condition=LogItem.pk.does_not_exist(), lost=StaleVersion)
            tx.put(mark, condition=MarkItem.pk.does_not_exist(), lost=AlreadyDone)

    def since(self, sequence: int, *, most: int = MOST_READ) -> Read:
        """What came after a sequence. One read of the head when there is nothing, else a query of each block that is
        kept, however long ago the sequence was."""
        head = self.head()
        if sequence >= head:
            # A sequence from the future is of another log (a table that was restored, say): nothing can be told of it.
            return Read([], head, head, gap=sequence > head)
        messages: list[Body] = []
        position, gap, now = sequence, False, self._clock()
        newest = head // BLOCK
        for block in range(_first_kept((sequence + 1) // BLOCK, newest, now), newest + 1):
            condition = LogItem.sk > _key(position)
            for item in LogItem.query(f"STREAM#{block}", condition, consistent_read=True, page_size=50):
                if int(item.expires_at or 0) <= now:
                    continue
                if int(item.first) > position + 1:
                    gap = True
                told = json.loads(zlib.decompress(item.messages))
                numbered = [{**body, "sequence": int(item.first) + number} for number, body in enumerate(told)]
                messages += [body for body in numbered if body["sequence"] > position]
                position = int(item.sk)
                if len(messages) >= most:
                    return Read(messages, position, max(head, position), gap)
        if not messages:
            return Read([], head, head, gap=True)
        return Read(messages, position, max(head, position), gap)


def _first_kept(oldest: int, newest: int, now: float) -> int:
    """The first of these blocks of which something is kept, by halving: what was written first goes first. No block is
    empty from the beginning, since no fact has BLOCK messages."""
    while oldest < newest:
        middle = (oldest + newest) // 2
        last = LogItem.query(f"STREAM#{middle}", consistent_read=True, scan_index_forward=False, limit=1)
        if any(int(item.expires_at or 0) > now for item in last):
            newest = middle
        else:
            oldest = middle + 1
    return oldest


def _block(last: int) -> str:
    return f"STREAM#{last // BLOCK}"


def _key(sequence: int) -> str:
    return f"{sequence:016d}"
