"""Totals of users and organisations by hour and day, and of instances by day: made anew from the hours, never added to.

A total is always the sum of what is there at this moment, written on condition that nobody wrote another meanwhile; so
it does not matter how often, when or by whom it is made, and an event that comes late is in it after the next time.

    an hour of an instance changes -> the table's stream -> its user's hour is pending (pending.py)
    when it is due                 -> `Totals.make`: the user's hour, the organisations' parts, the user's day
                                      and, when the day is over, the days of its instances
    a part of an organisation      -> its hour is pending in turn -> its hour and its day
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pynamodb.exceptions import DeleteError, DoesNotExist, PynamoDBException

from gpubroker.messaging.log import logger
from gpubroker.storage.transaction import StaleVersion, lost_condition
from gpubroker.usage.event import HOUR_MS
from gpubroker.usage.hour import Hour, Sums
from gpubroker.usage.hours import retention_ms
from gpubroker.usage.items import PendingItem, TotalItem, day_text, hour_of_key, hour_text, moment_of
from gpubroker.usage.pending import DAY, HOUR, mark
from gpubroker.usage.reading import hour_items
from gpubroker.usage.watermarks import note_sweep

DAY_MS = 24 * HOUR_MS
DAY_DUE_MS = 10 * 60_000
"""After a day is over."""
_INSTANCE = "INSTANCE#"
_ORG = "#ORG"
_TRIES = 4


@dataclass(slots=True)
class Total:
    """Sums by organisation ("" for none) of an hour or a day.

    counted  instances of an hour; of a day, the most in one of its hours
    of_org   instances of an hour by who pays; not kept
    last_ms  the end of the last period
    """

    sums: dict[str, Sums] = field(default_factory=dict)
    of_org: dict[str, int] = field(default_factory=dict)
    counted: int = 0
    conflicts: int = 0
    last_ms: int = 0
    version: int = 0

    def add(self, org: str, sums: Sums) -> None:
        held = self.sums.get(org)
        if held is None:
            held = self.sums[org] = Sums()
        held.add(sums)

    def merge(self, other: "Total") -> None:
        for org, sums in other.sums.items():
            self.add(org, sums)
        self.counted = max(self.counted, other.counted)
        self.conflicts += other.conflicts
        self.last_ms = max(self.last_ms, other.last_ms)

    def all(self) -> Sums:
        whole = Sums()
        for sums in self.sums.values():
            whole.add(sums)
        return whole

    @classmethod
    def of(cls, item: TotalItem) -> "Total":
        return cls(
            sums={org: Sums(*told) for org, told in json.loads(item.sums).items()},
            counted=int(item.instances),
            conflicts=int(item.conflicts),
            last_ms=int(item.last_ms),
            version=int(item.version or 0),
        )


def totals_pk(owner: str) -> str:
    return f"{owner}#TOTALS"


def owner_of(org_id: str) -> str:
    """An organisation as the owner of totals: no user is ever called so, since ids hold no `#`."""
    return f"{org_id}{_ORG}"


def parts_pk(org_id: str) -> str:
    return f"{org_id}{_ORG}#PARTS"


class Totals:
    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms

    def sweep(self, *, limit: int = 200) -> dict[str, int]:
        """Make all that is due, at most `limit` of a shard. One that fails stays pending and stops no other."""
        started = self._clock_ms()
        now = datetime.fromtimestamp(started / 1000, UTC)
        told = {"made": 0, "failed": 0}
        due = list(PendingItem.due_by(now, limit=limit))
        # Hours before days: what is made of others comes after them.
        for pk, sk in sorted(due, key=lambda key: (key[1].startswith(DAY), key[1])):
            try:
                self.make(pk, sk)
                told["made"] += 1
            except (PynamoDBException, StaleVersion) as error:
                told["failed"] += 1
                logger().error("total not made", extra={"sk": sk, "error": repr(error)})
        if not told["failed"] and len(due) < limit:
            note_sweep(started)
        return told

    def make(self, pk: str, sk: str) -> None:
        """Make what one pending item is about, and forget that it is pending unless it changed meanwhile."""
        try:
            pending = PendingItem.get(pk, sk, consistent_read=True)
        except DoesNotExist:
            return
        owner = pk.rpartition("#")[0]
        if sk.startswith(DAY):
            self._instance_days(owner, moment_of(sk.removeprefix(DAY)))
        else:
            hour_ms = moment_of(sk.removeprefix(HOUR))
            if owner.endswith(_ORG):
                self._organisation_hour(owner.removesuffix(_ORG), hour_ms)
            else:
                self._user_hour(owner, hour_ms)
        try:
            pending.delete(condition=PendingItem.stamp == pending.stamp)
        except DeleteError as error:
            if not lost_condition(error):
                raise  # else it changed meanwhile: it stays pending

    def _user_hour(self, user_id: str, hour_ms: int) -> None:
        before = stored(user_id, f"{HOUR}{hour_text(hour_ms)}")
        total = hour_total(user_id, hour_ms)
        _put(user_id, f"{HOUR}{hour_text(hour_ms)}", total, before, self._expires(hour_ms))
        for org in sorted({*total.sums, *(before.sums if before else ())} - {""}):
            self._part(org, user_id, hour_ms, total)
            mark(owner_of(org), f"{HOUR}{hour_text(hour_ms)}", self._clock_ms())
        self._day(user_id, hour_ms)
        day = hour_ms - hour_ms % DAY_MS
        mark(user_id, f"{DAY}{day_text(day)}", max(day + DAY_MS + DAY_DUE_MS, self._clock_ms()))

    def _part(self, org: str, user_id: str, hour_ms: int, total: Total) -> None:
        """What the user's instances add to the organisation's hour: as much as the newest total of the user says."""
        part = TotalItem(
            parts_pk(org),
            f"{HOUR}{hour_text(hour_ms)}#{user_id}",
            version=total.version,
            sums=_told({org: total.sums.get(org, Sums())}),
            instances=total.of_org.get(org, 0),
            conflicts=total.conflicts,
            last_ms=total.last_ms,
            expires_at=self._expires(hour_ms),
        )
        try:
            part.save(condition=TotalItem.pk.does_not_exist() | (TotalItem.version <= total.version))
        except PynamoDBException as error:
            if not lost_condition(error):
                raise  # else a newer one stands there

    def _organisation_hour(self, org_id: str, hour_ms: int) -> None:
        owner, sk = owner_of(org_id), f"{HOUR}{hour_text(hour_ms)}"
        before = stored(owner, sk)
        total, instances = Total(), 0
        for item in TotalItem.query(parts_pk(org_id), TotalItem.sk.startswith(f"{sk}#"), consistent_read=True):
            part = Total.of(item)
            instances += part.counted
            total.merge(part)
        total.counted = instances
        _put(owner, sk, total, before, self._expires(hour_ms))
        self._day(owner, hour_ms)

    def _day(self, owner: str, hour_ms: int) -> None:
        """The day of an hour, from its hours."""
        sk = f"{DAY}{day_text(hour_ms)}"
        for _ in range(_TRIES):
            before = stored(owner, sk)
            total = Total()
            hours = TotalItem.query(
                totals_pk(owner), TotalItem.sk.startswith(f"{HOUR}{day_text(hour_ms)}T"), consistent_read=True
            )
            for item in hours:
                total.merge(Total.of(item))
            try:
                _put(owner, sk, total, before, None)
                return
            except StaleVersion:
                continue
        raise StaleVersion(f"{sk} is being made by others, again and again")

    def _instance_days(self, user_id: str, day_ms: int) -> None:
        """The days of all instances that a user had on a day."""
        days: dict[str, Total] = {}
        for item in hour_items(user_id, day_ms, day_ms + DAY_MS):
            _, instance_id, hour_ms = hour_of_key(item.pk, item.sk)
            days.setdefault(instance_id, Total(counted=1)).merge(total_of(Hour(hour_ms, item.value())))
        for instance_id, total in days.items():
            sk = f"{_INSTANCE}{instance_id}#{day_text(day_ms)}"
            _put(user_id, sk, total, stored(user_id, sk), None)

    def _expires(self, hour_ms: int) -> int:
        return (hour_ms + HOUR_MS + retention_ms()) // 1000


def hour_total(user_id: str, hour_ms: int) -> Total:
    """A user's hour as it is now, from the hours of the instances."""
    total, instances = Total(), 0
    for item in hour_items(user_id, hour_ms, hour_ms + HOUR_MS):
        one = total_of(Hour(hour_ms, item.value()))
        total.merge(one)
        instances += 1
        for org in one.sums:
            total.of_org[org] = total.of_org.get(org, 0) + 1
    total.counted = instances
    return total


def total_of(hour: Hour) -> Total:
    last = hour.hour_ms + hour.starts[-1] + hour.lengths[-1] if hour.starts else 0
    return Total(sums=hour.sums, conflicts=len(hour.conflicts), last_ms=last, counted=1)


def stored(owner: str, sk: str) -> Total | None:
    try:
        return Total.of(TotalItem.get(totals_pk(owner), sk, consistent_read=True))
    except DoesNotExist:
        return None


def _put(owner: str, sk: str, total: Total, before: Total | None, expires_at: int | None) -> None:
    """Raises StaleVersion when somebody made it meanwhile; what they saw may be newer."""
    version = before.version if before else 0
    total.version = version + 1
    item = TotalItem(
        totals_pk(owner),
        sk,
        version=version + 1,
        sums=_told(total.sums),
        instances=total.counted,
        conflicts=total.conflicts,
        last_ms=total.last_ms,
        expires_at=expires_at,
    )
    try:
        item.save(condition=TotalItem.version == version if version else TotalItem.pk.does_not_exist())
    except PynamoDBException as error:
        if lost_condition(error):
            raise StaleVersion(sk) from error
        raise


def _told(sums: dict[str, Sums]) -> str:
    """JSON whose integers may be longer than 64 bits."""
    return json.dumps({org: one.plain() for org, one in sums.items()}, separators=(",", ":"))
