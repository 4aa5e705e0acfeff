"""A batch of the usage stream: read, checked, folded into hours, and each hour written once.

Nothing is told as done before it is stored, and adding an event twice changes nothing; so a batch that fails anywhere
is simply brought again, from the first record that has an event in an hour that was not written. What cannot be read is
set aside at once, whole as it came, and delays nobody.
"""

import base64
import binascii
import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gpubroker.usage.checks import Checked, checked, checked_plain
from gpubroker.usage.event import HOUR_MS
from gpubroker.usage.hour import Added, Hour, Stored
from gpubroker.usage.pieces import Piece
from gpubroker.usage.stream import Unreadable, read

_TRIES = 5
_AT_ONCE = 500
"""Hours that are held in memory together."""

HourKey = tuple[str, str, int]
"""(user, instance, when the hour begins)."""
Slice = tuple[int, Checked, str, int, int]
"""(which record, its columns, organisation, first event, after the last event)."""


class Hours(Protocol):
    """Where hours are kept."""

    def read(self, keys: Iterable[HourKey]) -> Mapping[HourKey, Stored]:
        """Those that are there, as they are now."""

    def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
        """Write each on condition that its version is the next one. What was not written: None where another writer
        was first, else why. One write an hour."""

    def reached(self, beats: Mapping[str, int], shard: str) -> None:
        """All that was taken before these moments, by partition, is counted."""


class SetAside(Protocol):
    """The queue of what holds no usage events."""

    def put(self, what: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Account:
    """What came of a batch. `failed` is the sequence number to go on from, or None."""

    records: int = 0
    counted: int = 0
    repeated: int = 0
    conflicts: int = 0
    unreadable: int = 0
    hours: int = 0
    failed: str | None = None
    errors: list[str] = field(default_factory=list)

    def count(self, added: Added) -> None:
        self.counted += added.counted
        self.repeated += added.repeated
        self.conflicts += added.conflicts

    def metrics(self) -> dict[str, int]:
        return {
            "UsageEvents": self.counted,
            "UsageRepeated": self.repeated,
            "UsageConflicts": self.conflicts,
            "UsageUnreadable": self.unreadable,
            "UsageHoursWritten": self.hours,
        }


@dataclass(slots=True)
class _Batch:
    """Slices of records by the hour they belong to, and the heartbeats with the record they came in."""

    slices: dict[HourKey, list[Slice]] = field(default_factory=dict)
    beats: list[tuple[int, str, int]] = field(default_factory=list)


class Aggregation:
    """clock_ms gives epoch milliseconds."""

    def __init__(self, hours: Hours, aside: SetAside, clock_ms: Callable[[], int]) -> None:
        self._hours = hours
        self._aside = aside
        self._clock_ms = clock_ms

    def take(self, records: list[dict[str, Any]]) -> Account:
        """Records of one shard, as Lambda brings them, in order."""
        collecting = gc.isenabled()
        gc.disable()  # thousands of lists and no cycle: looking through them is a tenth of the time
        try:
            return self._take(records)
        finally:
            if collecting:
                gc.enable()

    def _take(self, records: list[dict[str, Any]]) -> Account:
        account, batch = Account(records=len(records)), _Batch()
        until = len(records)
        for number, record in enumerate(records):
            try:
                self._read(number, record, batch, account)
            except Exception as trouble:  # the queue is away: from this record on, again
                account.errors.append(repr(trouble))
                until = number
                break
        unwritten = self._fold(batch.slices, account)
        until = min([until, *(slices[0][0] for slices in unwritten)])
        beats = {partition: at for number, partition, at in batch.beats if number < until}
        if beats:
            try:
                self._hours.reached(beats, records[0]["eventID"].partition(":")[0])
            except Exception as trouble:
                account.errors.append(repr(trouble))
                until = min(until, *(number for number, _, _ in batch.beats))
        if until < len(records):
            account.failed = records[until]["kinesis"]["sequenceNumber"]
        return account

    # ------------------------------------------------------------------ reading

    def _read(self, number: int, record: dict[str, Any], batch: _Batch, account: Account) -> None:
        kinesis = record["kinesis"]
        try:
            held = read(_decoded(kinesis["data"]))
            if held.beat_ms is not None:
                batch.beats.append((number, kinesis["partitionKey"], held.beat_ms))
                return
            if held.plain is not None:
                arrived = kinesis.get("approximateArrivalTimestamp")
                received = int(float(arrived) * 1000) if arrived else self._clock_ms()
                columns, bad = checked_plain(held.plain, received)
                if bad:
                    self._aside.put(_told(record, "not all of its events can be read") | {"events": bad})
                    account.unreadable += len(bad)
                if columns is None:
                    return
            else:
                columns = checked(held.columns)
        except Unreadable as error:
            self._aside.put(_told(record, str(error)) | {"data": kinesis["data"]})
            account.unreadable += 1
            return
        _slice(number, columns, batch.slices)

    # ------------------------------------------------------------------ folding

    def _fold(self, slices: dict[HourKey, list[Slice]], account: Account) -> list[list[Slice]]:
        """The slices of hours that were not written."""
        unwritten: list[list[Slice]] = []
        keys = list(slices)
        for start in range(0, len(keys), _AT_ONCE):
            some = {key: slices[key] for key in keys[start : start + _AT_ONCE]}
            unwritten += self._fold_some(some, account)
        return unwritten

    def _fold_some(self, waiting: dict[HourKey, list[Slice]], account: Account) -> list[list[Slice]]:
        unwritten: list[list[Slice]] = []
        for _ in range(_TRIES):
            try:
                lost = self._try(waiting, account)
            except Exception as trouble:  # the table is away: all of it again
                account.errors.append(repr(trouble))
                return unwritten + list(waiting.values())
            for key, trouble_of in lost.items():
                if trouble_of is not None:
                    account.errors.append(repr(trouble_of))
                    unwritten.append(waiting[key])
            waiting = {key: waiting[key] for key, trouble_of in lost.items() if trouble_of is None}
            if not waiting:
                return unwritten
        account.errors.append("other writers were first, again and again")
        return unwritten + list(waiting.values())

    def _try(self, waiting: dict[HourKey, list[Slice]], account: Account) -> Mapping[HourKey, Exception | None]:
        """Fold into what is stored now, and write what that changed. What was not written, and why."""
        stored = self._hours.read(waiting)
        changed: dict[HourKey, Stored] = {}
        told: dict[HourKey, Added] = {}
        for key, slices in waiting.items():
            hour, added = Hour(key[2], stored.get(key)), Added()
            for one in slices:
                hour.add(_piece(one, key[2]), added)
            told[key] = added
            if hour.changed:
                changed[key] = hour.stored()
        lost = self._hours.write(changed)
        for key, added in told.items():
            if key not in lost:
                account.count(added)
        account.hours += len(changed) - len(lost)
        return lost


def _slice(number: int, columns: Checked, slices: dict[HourKey, list[Slice]]) -> None:
    """Cut a record's events by user, instance and hour."""
    at = 0
    starts = columns.starts
    for instance_id, user_id, org_id, count in columns.series:
        end = at + count
        first = starts[at]
        hour = first - first % HOUR_MS
        if count == 1 or (min(starts[at:end]) >= hour and max(starts[at:end]) < hour + HOUR_MS):
            key = (user_id, instance_id, hour)
            one = (number, columns, org_id or "", at, end)
            if key in slices:
                slices[key].append(one)
            else:
                slices[key] = [one]
        else:  # event by event: rare, a series that goes over an hour, or one that is in no order
            for row in range(at, end):
                hour = starts[row] - starts[row] % HOUR_MS
                slices.setdefault((user_id, instance_id, hour), []).append(
                    (number, columns, org_id or "", row, row + 1)
                )
        at = end


def _piece(one: Slice, hour_ms: int) -> Piece:
    _, columns, org, at, end = one
    stamps, ids, lengths = columns.stamps, columns.ids, columns.lengths
    return [
        org,
        columns.received_ms,
        [start - hour_ms for start in columns.starts[at:end]],
        lengths if isinstance(lengths, int) else lengths[at:end],
        stamps if isinstance(stamps, int) else stamps[at:end],
        None if ids is None else ids[at:end],
        [None if column is None else column[at:end] for column in columns.metrics],
    ]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("no base64") from error


def _told(record: dict[str, Any], wrong: str) -> dict[str, Any]:
    return {
        "wrong": wrong,
        "stream": record.get("eventSourceARN"),
        "shard": record["eventID"].partition(":")[0],
        "sequence_number": record["kinesis"]["sequenceNumber"],
    }
