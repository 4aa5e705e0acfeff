"""A batch of the price stream: read, judged, kept and told (DESIGN §6, third walk).

A batch is cut into groups, each of which fits one transaction: state, windows and findings of a group are written
together or not at all, so a change has its effect once, however often and however cut the stream brings it again.
What is no price change is set aside at once in a queue, whole as it came, and delays nobody. Where the store fails, the
batch is reported from the first record that was not finished; AWS brings it again.
"""

import base64
import binascii
import gc
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol

from gpubroker.messaging.price_stream import Unreadable
from gpubroker.prices.changes import Change, read
from gpubroker.prices.detector import MINUTE_MS, Findings, WindowKey, detect
from gpubroker.prices.facts import MOST, facts_of
from gpubroker.prices.states import ACTIONS, States
from gpubroker.storage.transaction import StaleVersion

_FACTS = 3  # events of a group: it has at most MOST changes
_FEW = 40
_BLOCK = 25  # 25 offers, windows and minutes: the most that fit at their worst
_TRIES = 5
_OFFER = itemgetter(1)
_WINDOW = itemgetter(6, 11)


class SetAside(Protocol):
    """The queue of what is no price change."""

    def put(self, what: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Account:
    """What came of a batch. `failed` is the sequence number to go on from, or None."""

    records: int = 0
    changes: int = 0
    significant: int = 0
    anomalies: int = 0
    repeated: int = 0
    too_late: int = 0
    unreadable: int = 0
    failed: str | None = None
    errors: list[str] = field(default_factory=list)

    def count(self, found: Findings) -> None:
        self.changes += len(found.updates)
        self.significant += len(found.changes)
        self.anomalies += len(found.anomalies)
        self.repeated += found.repeated
        self.too_late += found.too_late

    def metrics(self) -> dict[str, int]:
        return {
            "PriceChanges": self.changes,
            "SignificantChanges": self.significant,
            "PriceAnomalies": self.anomalies,
            "ChangesRepeated": self.repeated,
            "ChangesTooLate": self.too_late,
            "ChangesUnreadable": self.unreadable,
        }


class Detection:
    """clock_ms gives epoch milliseconds."""

    def __init__(self, states: States, aside: SetAside, clock_ms: Callable[[], int]) -> None:
        self._states = states
        self._aside = aside
        self._clock_ms = clock_ms

    def take(self, records: list[dict[str, Any]]) -> Account:
        """Records of one shard, as Lambda brings them, in order."""
        collecting = gc.isenabled()
        gc.disable()  # a batch makes thousands of findings and no cycle: looking through them is a tenth of the time
        try:
            return self._take(records)
        finally:
            if collecting:
                gc.enable()

    def _take(self, records: list[dict[str, Any]]) -> Account:
        account = Account(records=len(records))
        now_ms = self._clock_ms()
        changes: list[Change] = []
        ends: list[int] = []  # how many changes there are up to and with each record
        for record in records:
            try:
                changes += self._readable(record, now_ms, account)
            except Exception as trouble:  # the queue is away: from this record on, again
                account.errors.append(repr(trouble))
                break
            ends.append(len(changes))
        done = self._judge(account, changes, records[0]["eventID"].partition(":")[0]) if changes else 0
        finished = len(ends) if done == len(changes) else bisect_right(ends, done)
        if finished < len(records):
            account.failed = records[finished]["kinesis"]["sequenceNumber"]
        return account

    def _readable(self, record: dict[str, Any], now_ms: int, account: Account) -> list[Change]:
        """The changes of a record; what is none goes aside."""
        try:
            found, bad = _read(record["kinesis"]["data"], now_ms)
        except Unreadable as error:
            self._aside.put(_told(record, str(error)) | {"data": record["kinesis"]["data"]})
            account.unreadable += 1
            return []
        if bad:
            self._aside.put(_told(record, "not all of its changes can be read") | {"changes": bad})
            account.unreadable += len(bad)
        return found

    def _judge(self, account: Account, changes: list[Change], shard: str) -> int:
        """How many of the changes, from the first, have had their effect."""
        done = 0
        for group, windows in groups(changes):
            try:
                account.count(self._take_group(group, windows, shard))
            except Exception as error:
                account.errors.append(repr(error))
                break
            done += len(group)
        return done

    def _take_group(self, group: list[Change], windows: set[WindowKey], shard: str) -> Findings:
        offers = dict.fromkeys(map(_OFFER, group))
        for _ in range(_TRIES - 1):
            try:
                return self._try_group(group, offers, windows, shard)
            except StaleVersion:
                continue  # another invocation has these offers too: after a reshard, or a redrive
        return self._try_group(group, offers, windows, shard)

    def _try_group(self, group: list[Change], offers: dict[str, None], windows: set[WindowKey], shard: str) -> Findings:
        state = self._states.read(offers, windows, shard)
        now_ms = self._clock_ms()
        found = detect(group, state.series, now_ms=now_ms)
        if found.updates:
            if found.repeated:  # of offers that told nothing new there is nothing to write
                told = {update["offer_id"] for update in found.updates}
                state.series = {offer: one for offer, one in state.series.items() if offer in told}
            self._states.write(state, found.windows, facts_of(found, shard), shard, now_ms)
        return found


def groups(changes: list[Change]) -> Iterator[tuple[list[Change], set[WindowKey]]]:
    """Runs of changes whose state and findings fit one transaction (and one read), and windows that hold theirs."""
    windows = _windows(changes)
    if _actions_of(windows) <= _FEW:  # as usual, when all are of the last sync: no need to look at each
        size = min(MOST, ACTIONS - _FACTS - _actions_of(windows))
        yield from ((changes[start : start + size], windows) for start in range(0, len(changes), size))
        return
    group: list[Change] = []
    for at in range(0, len(changes), _BLOCK):
        block = changes[at : at + _BLOCK]
        more = group + block
        actions = len(set(map(_OFFER, more))) + _actions_of(_windows(more)) + _FACTS
        if group and (actions > ACTIONS or len(more) > MOST):
            yield group, _windows(group)
            more = block
        group = more
    yield group, _windows(group)


def _actions_of(windows: set[WindowKey]) -> int:
    """Items of a transaction that belong to windows: their parts, and a marker a minute."""
    return len(windows) + len({minute for _, minute in windows})


def _windows(changes: list[Change]) -> set[WindowKey]:
    return {(gpu_type, at_ms - at_ms % MINUTE_MS) for gpu_type, at_ms in set(map(_WINDOW, changes))}


def _read(text: str, now_ms: int) -> tuple[list[Change], list[dict[str, Any]]]:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("no base64") from error
    return read(data, now_ms)


def _told(record: dict[str, Any], wrong: str) -> dict[str, Any]:
    return {
        "wrong": wrong,
        "stream": record.get("eventSourceARN"),
        "shard": record["eventID"].partition(":")[0],
        "sequence_number": record["kinesis"]["sequenceNumber"],
    }
