"""A batch of the usage stream, held against thresholds: by a consumer of its own, beside the aggregation.

An event may come twice, late, or out of its order. Levels are held against an instance's newest reading under the
version of its state; sums against what the metering has counted, which counts each event once. So one crossing is told
once, however the stream brings it. An instance whose store fails costs the others nothing: the batch is reported from
its first record on and comes again, which changes nothing for those who were done.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from gpubroker.kernel.time import Clock
from gpubroker.storage.transaction import StaleVersion
from gpubroker.usage.checks import Checked
from gpubroker.usage.thresholds.ports import Totals
from gpubroker.usage.thresholds.readings import columns_of, readings_of, users_of
from gpubroker.usage.thresholds.rules import Crossing, Newest, Reading, added_up, looked, stale, sums_wanted
from gpubroker.usage.thresholds.states import MOST_AT_ONCE, Instance, States, ThresholdChanged, ToldBefore
from gpubroker.usage.thresholds.threshold import Span, Threshold
from gpubroker.usage.thresholds.watching import Watching

LOOK_SECONDS = 30.0
"""How often the sums of one user are looked at in one process, whatever comes: what the metering counts in between is
told by the next look, or by the second one."""
AGAIN_SECONDS = 60.0
"""How often a second look is asked for the same sums."""
_TRIES = 6
_MOST_REMEMBERED = 50_000


class Later(Protocol):
    def look_again(self, sums: Sequence["Moved"]) -> None:
        """Have the sums that these readings moved looked at once more, when the metering has surely counted them."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """A reading that moved sums: whose, and when it began."""

    user_id: str
    instance_id: str
    begun: datetime


@dataclass(slots=True)
class Account:
    """What came of a batch. `failed` is the sequence number to go on from, or None."""

    readings: int = 0
    watched: int = 0
    crossings: int = 0
    unreadable: int = 0
    failed: str | None = None
    errors: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, int]:
        return {
            "ThresholdReadings": self.readings,
            "ThresholdReadingsWatched": self.watched,
            "ThresholdsCrossed": self.crossings,
            "ThresholdReadingsUnreadable": self.unreadable,
        }


class Checking:
    """`elapsed` counts seconds."""

    def __init__(
        self,
        *,
        watching: Watching,
        states: States,
        totals: Totals,
        later: Later,
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watching, self._states, self._totals, self._later = watching, states, totals, later
        self._clock, self._elapsed = clock, elapsed
        self._looked: dict[str, float] = {}
        self._asked: dict[Moved, float] = {}

    def take(self, records: Sequence[dict[str, Any]]) -> Account:
        """Records of one shard, as Lambda brings them."""
        account = Account()
        now_ms = int(self._clock().timestamp() * 1000)
        held: list[tuple[int, Checked]] = []
        for number, record in enumerate(records):
            columns, unreadable = columns_of(record, now_ms)
            account.unreadable += unreadable
            if columns is not None:
                held.append((number, columns))
                account.readings += len(columns.starts)
        if not held:
            return account
        everybody = self._watching.of({user for _, columns in held for user in users_of(columns)})
        watchers = {user: thresholds for user, thresholds in everybody.items() if thresholds}
        watched: dict[Instance, list[Reading]] = {}
        first: dict[Instance, int] = {}
        for number, columns in held:
            for reading in readings_of(columns, watchers):
                instance = reading.user_id, reading.instance_id
                watched.setdefault(instance, []).append(reading)
                first.setdefault(instance, number)
        account.watched = sum(map(len, watched.values()))
        failed = self._look(watched, watchers, account)
        if failed:
            account.failed = records[min(first[instance] for instance in failed)]["kinesis"]["sequenceNumber"]
        return account

    def _look(
        self,
        watched: Mapping[Instance, list[Reading]],
        watchers: Mapping[str, Sequence[Threshold]],
        account: Account,
    ) -> list[Instance]:
        """Look at every watched instance; those that could not be finished."""
        levels = [instance for instance in watched if any(one.metric.level for one in watchers[instance[0]])]
        known = self._states.newest_of(levels) if levels else {}
        failed = []
        for instance in levels:
            try:
                account.crossings += self._levels(instance, watched[instance], watchers[instance[0]], known[instance])
            except Exception as error:
                failed.append(instance)
                account.errors.append(repr(error))
        return failed + self._sums(watched, watchers, account)

    # ------------------------------------------------------------ levels

    def _levels(
        self, instance: Instance, readings: list[Reading], thresholds: Sequence[Threshold], known: Newest | None
    ) -> int:
        """How many crossings were told of an instance's readings."""
        waiting = sorted(readings, key=lambda reading: reading.at)
        told = 0
        for _ in range(_TRIES):
            if known is None:
                known = self._states.newest_of([instance])[instance]
            if stale(known, thresholds):
                thresholds = self._again(instance[0])
            try:
                told += self._through(instance, waiting, thresholds, known)
                return told
            except StaleVersion:
                known = None
            except ThresholdChanged:
                known, thresholds = None, self._again(instance[0])
        raise StaleVersion(f"{instance[1]} is changing too fast")

    def _through(
        self, instance: Instance, waiting: list[Reading], thresholds: Sequence[Threshold], known: Newest
    ) -> int:
        """Take readings in the order of their times, and write after the last, or as often as many are crossed."""
        after, crossings, told = known, list[Crossing](), 0
        for reading in waiting:
            further, more = looked(after, reading, thresholds)
            if crossings and len(crossings) + len(more) > MOST_AT_ONCE:
                known = after = self._kept(instance, known, after, crossings)
                told += len(crossings)
                further, crossings = Newest(further.at, further.metrics, further.seen, known.version), []
            crossings += more
            after = further
        if after is not known:
            self._kept(instance, known, after, crossings)
            told += len(crossings)
        return told

    def _kept(self, instance: Instance, before: Newest, after: Newest, crossings: Sequence[Crossing]) -> Newest:
        now = self._clock()
        if len(crossings) <= MOST_AT_ONCE:
            try:
                self._states.keep(instance, before, after, crossings, now=now)
            except ToldBefore:  # one by one below, before a process died that had not written the state yet
                crossings = self._singly(crossings, now)
                self._states.keep(instance, before, after, crossings, now=now)
        else:
            self._states.keep(instance, before, after, self._singly(crossings, now), now=now)
        return Newest(after.at, after.metrics, after.seen, before.version + 1)

    def _singly(self, crossings: Sequence[Crossing], now: datetime) -> list[Crossing]:
        """Tell each by itself, so that none is left to be told with the state."""
        for crossing in crossings:
            self._states.tell(crossing, now=now)
        return []

    def _again(self, user_id: str) -> Sequence[Threshold]:
        self._watching.forget(user_id)
        return self._watching.of([user_id])[user_id]

    # ------------------------------------------------------------ sums

    def _sums(
        self,
        watched: Mapping[Instance, list[Reading]],
        watchers: Mapping[str, Sequence[Threshold]],
        account: Account,
    ) -> list[Instance]:
        failed: list[Instance] = []
        moved: list[Moved] = []
        by_user: dict[str, list[Instance]] = {}
        for instance in watched:
            by_user.setdefault(instance[0], []).append(instance)
        for user, instances in by_user.items():
            readings = [reading for instance in instances for reading in watched[instance]]
            if not sums_wanted(watchers[user], readings):
                continue
            try:
                now = self._elapsed()
                if now - self._looked.get(user, -LOOK_SECONDS) >= LOOK_SECONDS:
                    account.crossings += self.sums_of(user, readings, watchers[user])
                    _remember(self._looked, user, now)
                moved += {Moved(user, one.instance_id, _hour(one.begun)): None for one in readings}
            except Exception as error:
                failed += instances
                account.errors.append(repr(error))
        try:
            self._ask_again(moved)
        except Exception as error:
            failed += [(one.user_id, one.instance_id) for one in moved]
            account.errors.append(repr(error))
        return failed

    def _ask_again(self, moved: Sequence[Moved]) -> None:
        now = self._elapsed()
        new = [one for one in moved if now - self._asked.get(one, -AGAIN_SECONDS) >= AGAIN_SECONDS]
        if new:
            self._later.look_again(new)
            for one in new:
                _remember(self._asked, one, now)

    def sums_of(self, user: str, readings: Sequence[Reading], thresholds: Sequence[Threshold]) -> int:
        """Hold the sums that readings have moved against a user's thresholds; how many crossings were told."""
        for _ in range(_TRIES):
            try:
                return self._sums_once(user, sums_wanted(thresholds, readings))
            except StaleVersion:
                continue  # another shard brought another instance of the user
            except ThresholdChanged:
                thresholds = self._again(user)
        raise StaleVersion(f"the sums of {user} are changing too fast")

    def _sums_once(self, user: str, wanted: Mapping[tuple[str, Span], tuple[Threshold, datetime]]) -> int:
        totals: dict[tuple[str | None, Span], Mapping[str, Decimal]] = {}
        told = 0
        for (_, span), (threshold, at) in wanted.items():
            key = threshold.instance_id, span
            if key not in totals:
                totals[key] = self._totals.of(user, threshold.instance_id, span)
            total = totals[key].get(threshold.metric.name, Decimal(0))
            if not threshold.crossed(None, total):
                continue  # it is not over the threshold: whatever was told before, there is nothing to tell
            before = self._states.told_at(user, threshold, span)
            crossing = added_up(threshold, user, span, total, before, at=at)
            if crossing is not None:
                self._states.tell_sum(crossing, before, now=self._clock())
                told += 1
        return told

    def again(self, sums: Sequence[Moved]) -> int:
        """A second look, for the metering may count an event later than it was seen here; how many were told."""
        told = 0
        for user in dict.fromkeys(one.user_id for one in sums):
            readings = [
                Reading(one.user_id, one.instance_id, one.begun, one.begun, _ANYTHING)
                for one in sums
                if one.user_id == user
            ]
            thresholds = self._watching.of([user])[user]
            told += self.sums_of(user, readings, thresholds)
        return told


def _remember(known: dict[Any, float], key: object, now: float) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = now


class _Anything(dict[str, Decimal]):
    """A reading that may have moved any sum."""

    def get(self, key: str, default: Any = None) -> Decimal:
        return Decimal(1)


_ANYTHING = _Anything()


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
