"""Where the audit log is kept: appending to its chains, and reading it.

Writers of a chain take turns by a condition on its head: who loses reads it again. An entry, the new head, the places
under which it is found and the event's id are one write, so there is no gap, no fork and no second entry of an event.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.management.audit.entry import CHAINS, Entry, Event, Head, following
from gpubroker.management.audit.items import HEADS, EntryItem, HeadItem, PointerItem, RecordedItem, chain_pk
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import StaleVersion, transaction

_TRIES = 25  # some three seconds: an API gives up after ten
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.3


class AlreadyRecorded(Exception):
    """This event stands in the log."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it is stored."""

    entry: Entry
    hash: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of a type, about a subject, in [since, until)."""

    type: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, jitter: Callable[[], float] = random.random):
        self._sleep, self._jitter = sleep, jitter

    def append(
        self,
        event: Event,
        now: datetime,
        *,
        idempotency: Idempotency | None = None,
        answer: dict[str, Any] | None = None,
    ) -> Recorded:
        """Record an event. Raises AlreadyRecorded, AlreadyDone; Unavailable when too many write to its chain."""
        for attempt in range(_TRIES):
            head = self.head(event.chain)
            entry = following(head, event, now)
            item = EntryItem.of(entry)
            try:
                with transaction(EntryItem) as tx:
                    stored.remember(tx, EntryItem, idempotency, answer or {})
                    if event.event_id is not None:
                        once = RecordedItem.of(event.event_id, entry.key)
                        tx.put(once, condition=RecordedItem.pk.does_not_exist(), lost=AlreadyRecorded)
                    same = HeadItem.version == head.sequence if head.sequence else HeadItem.pk.does_not_exist()
                    after = replace(head, sequence=entry.sequence, hash=item.hash, recorded_at=entry.recorded_at)
                    tx.put(HeadItem.of(after), condition=same)
                    tx.put(item, condition=EntryItem.pk.does_not_exist())
                    for pointer in PointerItem.all_of(entry):
                        tx.put(pointer)
                return Recorded(entry, item.hash)
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable("The audit log is busy; try again.", retry_after=1)

    def head(self, chain: int) -> Head:
        try:
            return HeadItem.get(HEADS, f"HEAD#{chain}", consistent_read=True).value()
        except DoesNotExist:
            return Head(chain)

    def checkpoint(self, chain: int) -> Head:
        """Up to where a chain was found to be whole."""
        try:
            return HeadItem.get(HEADS, f"CHECKPOINT#{chain}", consistent_read=True).value()
        except DoesNotExist:
            return Head(chain)

    def keep_checkpoint(self, head: Head) -> None:
        """Raises StaleVersion where another run came further."""
        with transaction(HeadItem) as tx:
            further = HeadItem.pk.does_not_exist() | (HeadItem.version <= head.sequence)
            tx.put(HeadItem.of(head, "CHECKPOINT"), condition=further)

    def chain_after(self, head: Head) -> Iterator[tuple[str, str, str]]:
        """(key, text, hash) of what stands in a chain after an entry, in the order of the keys."""
        start = head.key if head.sequence else "0"
        for item in EntryItem.query(chain_pk(head.chain), EntryItem.sk > start, consistent_read=True):
            yield item.sk, item.text, item.hash

    def hash_at(self, chain: int, key: str) -> str | None:
        """The hash of the entry at a key of a chain; None where there is none."""
        try:
            return str(EntryItem.get(chain_pk(chain), key, consistent_read=True).hash)
        except DoesNotExist:
            return None

    def page(self, wanted: Wanted, limit: int, *, before: str | None) -> tuple[list[Recorded], str | None]:
        """The newest first, from before a place on; and the place to go on from."""
        if wanted.type is None and wanted.subject is None:
            places = self._places_of_chains(wanted, limit + 1, before)
        else:
            places = self._places_found(wanted, limit + 1, before)
        onward = places[limit - 1] if len(places) > limit else None
        keys = [_key_of(place) for place in places[:limit]]
        found = {(item.pk, item.sk): item for item in EntryItem.batch_get(keys, consistent_read=True)}
        return [Recorded(Entry.of(found[key].text), found[key].hash) for key in keys], onward

    def _places_found(self, wanted: Wanted, limit: int, before: str | None) -> list[str]:
        """By the pointers: a subject's are few, so with a type too they are filtered."""
        pk = f"AUDIT#SUBJECT#{wanted.subject}" if wanted.subject is not None else f"AUDIT#TYPE#{wanted.type}"
        both = wanted.subject is not None and wanted.type is not None
        low, high = _bounds(wanted, before)
        found = PointerItem.query(
            pk,
            PointerItem.sk.between(low, high),
            filter_condition=(PointerItem.type == wanted.type) if both else None,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=None if both else limit + 1,
            consistent_read=True,
        )
        return [item.sk for item in found if item.sk < high][:limit]

    def _places_of_chains(self, wanted: Wanted, limit: int, before: str | None) -> list[str]:
        """All chains side by side: each has its own newest, the newest of all of them are wanted."""
        low, high = _bounds(wanted, before)
        places: list[str] = []
        for chain in range(CHAINS):
            below = _below(chain, high)
            found = EntryItem.query(
                chain_pk(chain),
                EntryItem.sk.between(low, below),
                scan_index_forward=False,
                limit=limit + 1,
                page_size=limit + 1,
                consistent_read=True,
                attributes_to_get=["pk", "sk"],
            )
            for item in found:
                moment, _, sequence = item.sk.partition("#")
                place = f"{moment}#{chain}#{sequence}"
                if place < high:
                    places.append(place)
        return sorted(places, reverse=True)[:limit]


def _bounds(wanted: Wanted, before: str | None) -> tuple[str, str]:
    """Places from the first on, below the second. Moments begin with digits, so '0' is before and ':' after all."""
    low = iso(wanted.since) if wanted.since else "0"
    high = iso(wanted.until) if wanted.until else ":"
    return low, min(high, before) if before else high


def _below(chain: int, high: str) -> str:
    """The greatest key of a chain that may belong to a place below `high`, which is a place or a moment."""
    moment, _, rest = high.partition("#")
    if not rest:
        return high
    at, _, sequence = rest.partition("#")
    if chain == int(at):
        return f"{moment}#{sequence}"
    return f"{moment}#~" if chain < int(at) else moment


def _key_of(place: str) -> tuple[str, str]:
    moment, chain, sequence = place.split("#")
    return chain_pk(int(chain)), f"{moment}#{sequence}"
