"""One hour of one instance: what was counted, and how more is added so that each event counts once.

An event belongs to the hour in which its period begins; it is never cut. The events of an hour do not overlap, so its
periods are their identities: a period that is there already is a repeat when it says the same, and a conflict when it
does not. The first wins. Order, repeats and the way events are cut into batches change nothing (tests/unit/usage).

The events themselves are kept as pieces (pieces.py). A new batch adds a piece and reads none of the old ones; when
there are many, they become one.
"""

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import add, le, mul
from typing import Any

import orjson

from gpubroker.usage.event import HOUR_MS, LEVELS, METRICS, Usage
from gpubroker.usage.pieces import Piece, as_one, events_of, packed_piece, rows_of, spread, unpacked_piece

IS_LEVEL = tuple(name in LEVELS for name in METRICS)
MOST_PIECES = 24
"""Pieces of an hour before they are made one."""
MOST_BYTES = 300_000
"""Of an hour's events as they are kept: DynamoDB takes items of 400 KB. 3,600 events, one a second, are 130 KB."""
MOST_CONFLICTS = 20
"""Conflicts of an hour that are remembered."""


@dataclass(slots=True)
class Sums:
    """Of one organisation (or of none) in an hour.

    amounts   by metric: the sum, in millionths; for levels the sum of value x milliseconds
    measured  by metric: milliseconds in which a level was measured; for amounts how many events had it
    highest   by metric: the highest level
    """

    events: int = 0
    covered_ms: int = 0
    amounts: list[int] = field(default_factory=lambda: [0] * len(METRICS))
    measured: list[int] = field(default_factory=lambda: [0] * len(METRICS))
    highest: list[int] = field(default_factory=lambda: [0] * len(METRICS))

    def plain(self) -> list[Any]:
        return [self.events, self.covered_ms, self.amounts, self.measured, self.highest]

    def add(self, other: "Sums") -> None:
        self.events += other.events
        self.covered_ms += other.covered_ms
        self.amounts = list(map(add, self.amounts, other.amounts))
        self.measured = list(map(add, self.measured, other.measured))
        self.highest = list(map(max, self.highest, other.highest))


@dataclass(slots=True)
class Stored:
    """An hour as it is kept; version 0 is none yet."""

    version: int = 0
    periods: bytes = b""
    ids: bytes = b""
    sums: bytes = b"{}"
    pieces: list[bytes] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Added:
    """What became of events: counted, known already, or not to be counted."""

    counted: int = 0
    repeated: int = 0
    conflicts: int = 0


class Hour:
    """An hour in memory. `hour_ms` is when it begins."""

    __slots__ = ("_ids", "_known", "changed", "conflicts", "hour_ms", "lengths", "pieces", "starts", "sums", "version")

    def __init__(self, hour_ms: int, stored: Stored | None = None) -> None:
        self.hour_ms = hour_ms
        self.changed = False
        self.version = 0
        self.starts = array("I")
        self.lengths = array("I")
        self.sums: dict[str, Sums] = {}
        self.pieces: list[bytes] = []
        self.conflicts: list[str] = []
        self._ids = b""
        self._known: dict[int, Usage] | None = None
        if stored is not None and stored.version:
            self.version = stored.version
            half = len(stored.periods) // 2
            self.starts.frombytes(stored.periods[:half])
            self.lengths.frombytes(stored.periods[half:])
            self.sums = {org: Sums(*told) for org, told in orjson.loads(stored.sums).items()}
            self.pieces = list(stored.pieces)
            self.conflicts = list(stored.conflicts)
            self._ids = stored.ids

    def stored(self) -> Stored:
        """As it is to be kept, one version further."""
        if len(self.pieces) > MOST_PIECES:
            self.pieces = as_one(self.pieces)
        return Stored(
            self.version + 1,
            self.starts.tobytes() + self.lengths.tobytes(),
            self._ids,
            orjson.dumps({org: sums.plain() for org, sums in self.sums.items()}),
            self.pieces,
            self.conflicts,
        )

    # ------------------------------------------------------------------ adding

    def add(self, piece: Piece, told: Added) -> None:
        """Add a piece whose values are right, with starts that are counted from the hour."""
        starts, lengths = piece[2], piece[3]
        if len(self.pieces) > 1 and sum(map(len, self.pieces)) > MOST_BYTES:
            told.conflicts += len(starts)
            self._remember("the hour is full")
            return
        many = lengths if isinstance(lengths, list) else [lengths] * len(starts)
        behind = self.starts[-1] + self.lengths[-1] if self.starts else 0
        in_order = starts[0] >= behind and (
            len(starts) == 1 or all(map(le, map(add, starts, many), islice(starts, 1, None)))
        )
        if in_order and (piece[5] is None or self._note_ids(piece[5])):
            self.starts.extend(starts)
            self.lengths.extend(many)
            self._known = None
            self._sum(piece, many)
            self._keep(piece)
            told.counted += len(starts)
        else:
            self._add_each(piece, starts, many, told)

    def _note_ids(self, ids: list[str | None]) -> bool:
        """Note the ids of events that all are new; False, and nothing noted, where one of them is known."""
        marks = [_mark(one) for one in ids if one is not None]
        if len(set(marks)) < len(marks) or any(map(self._has, marks)):
            return False
        self._ids += b"".join(marks)
        return True

    def _add_each(self, piece: Piece, starts: list[int], lengths: list[int], told: Added) -> None:
        """Event by event: where some are known, overlap, come late, or bring ids of their own."""
        keep = []
        fresh: dict[int, Usage] = {}  # of this very piece
        for row, event in enumerate(events_of(piece, self.hour_ms, lengths)):
            start, length = starts[row], lengths[row]
            at = bisect_right(self.starts, start)
            before = at and self.starts[at - 1] + self.lengths[at - 1] > start
            if before and self.starts[at - 1] == start and self.lengths[at - 1] == length:
                if self._same(event, start, fresh):
                    told.repeated += 1
                else:
                    self._refuse(event, "the same period with other content", told)
                continue
            if before or (at < len(self.starts) and self.starts[at] < start + length):
                self._refuse(event, "overlaps with another period", told)
                continue
            if event.event_id is not None:
                mark = _mark(event.event_id)
                if self._has(mark):
                    self._refuse(event, "the same event_id with another period", told)
                    continue
                self._ids += mark
            self.starts.insert(at, start)
            self.lengths.insert(at, length)
            fresh[start] = event
            keep.append(row)
            told.counted += 1
        if self._known is not None:
            self._known |= fresh
        if keep:
            whole = piece if len(keep) == len(starts) else rows_of(piece, keep)
            self._sum(whole, [lengths[row] for row in keep])
            self._keep(whole)

    def _keep(self, piece: Piece) -> None:
        self.pieces.append(packed_piece(piece))
        self.changed = True

    def _sum(self, piece: Piece, lengths: list[int]) -> None:
        sums = self.sums.get(piece[0])
        if sums is None:
            sums = self.sums[piece[0]] = Sums()
        covered = sum(lengths)
        even = piece[3] if isinstance(piece[3], int) else None  # the length of all of them
        sums.events += len(lengths)
        sums.covered_ms += covered
        amounts, measured, highest = sums.amounts, sums.measured, sums.highest
        for number, column in enumerate(piece[6]):
            if column is None:
                continue
            try:
                total = sum(column)
            except TypeError:  # some of the events do not have it
                self._sum_some(sums, number, column, lengths)
                continue
            if not IS_LEVEL[number]:
                amounts[number] += total
                measured[number] += len(column)
                continue
            amounts[number] += total * even if even is not None else sum(map(mul, column, lengths))
            measured[number] += covered
            highest[number] = max(highest[number], *column)

    @staticmethod
    def _sum_some(sums: Sums, number: int, column: list[int | None], lengths: list[int]) -> None:
        for value, length in zip(column, lengths, strict=True):
            if value is None:
                continue
            sums.amounts[number] += value * length if IS_LEVEL[number] else value
            sums.measured[number] += length if IS_LEVEL[number] else 1
            sums.highest[number] = max(sums.highest[number], value) if IS_LEVEL[number] else 0

    # ------------------------------------------------------------------ what is known

    def _same(self, event: Usage, start: int, fresh: dict[int, Usage]) -> bool:
        """Whether the event that was counted for this period says the same; when it was sent does not matter."""
        known = fresh.get(start)
        if known is None:
            if self._known is None:
                self._known = {one.start_ms - self.hour_ms: one for one, _ in self.events()}
            known = self._known.get(start)
        return known is not None and known._replace(stamp_ms=0) == event._replace(
            instance_id="", user_id="", stamp_ms=0
        )

    def _has(self, mark: bytes) -> bool:
        at = self._ids.find(mark)
        while at >= 0 and at % len(mark):
            at = self._ids.find(mark, at + 1)
        return at >= 0

    def _refuse(self, event: Usage, why: str, told: Added) -> None:
        told.conflicts += 1
        end = event.start_ms + event.length_ms
        self._remember(f"{event.event_id or ''} {event.start_ms}-{end} {why}".strip())

    def _remember(self, line: str) -> None:
        if line not in self.conflicts and len(self.conflicts) < MOST_CONFLICTS:
            self.conflicts.append(line)
            self.changed = True

    def clash(self, event: Usage) -> str | None:
        """What would become of one more event: None, "repeated", or why not. Changes nothing."""
        start, length = event.start_ms - self.hour_ms, event.length_ms
        at = bisect_right(self.starts, start)
        if at and self.starts[at - 1] == start and self.lengths[at - 1] == length:
            return "repeated" if self._same(event, start, {}) else "was counted with other content"
        before = at and self.starts[at - 1] + self.lengths[at - 1] > start
        if before or (at < len(self.starts) and self.starts[at] < start + length):
            return "overlaps with one that is counted"
        if event.event_id is not None and self._has(_mark(event.event_id)):
            return "is that of an event of another period"
        return None

    def events(self) -> Iterator[tuple[Usage, int]]:
        """Each event that was counted, and when we took it; by no order. Instance and user are left empty."""
        for packed in self.pieces:
            piece = unpacked_piece(packed)
            received = piece[1]
            for row, event in enumerate(events_of(piece, self.hour_ms, spread(piece[3], len(piece[2])))):
                yield event, received[row] if isinstance(received, list) else received


def _mark(event_id: str) -> bytes:
    return hashlib.blake2b(event_id.encode(), digest_size=8).digest()


def hour_of(moment_ms: int) -> int:
    """When the hour of a moment begins."""
    return moment_ms - moment_ms % HOUR_MS
