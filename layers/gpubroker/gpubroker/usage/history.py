"""What was used, in steps of hours, days and months (checklist 429-431). A step in which nothing was counted is a gap.

an instance      its hours by the index; its days as they are kept, and those that are pending from their hours
a user           totals as they are kept; hours that are pending are added up at once
an organisation  totals as they are kept, which are some minutes old; `complete_until` says so
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.usage.access import UsageNotFound, may_see_organisation, may_see_user, owner_seen_by
from gpubroker.usage.current import newest_owner
from gpubroker.usage.event import HOUR_MS, moment_text, number
from gpubroker.usage.hour import Hour, hour_of
from gpubroker.usage.hours import retention_ms
from gpubroker.usage.items import (
    HourItem,
    PendingItem,
    TotalItem,
    day_text,
    hour_key,
    hour_of_key,
    hour_text,
    moment_of,
)
from gpubroker.usage.pending import pending_pk
from gpubroker.usage.ports import Organisations
from gpubroker.usage.reading import keys_of_instance
from gpubroker.usage.requests import Granularity, HistoryFields
from gpubroker.usage.totals import DAY_MS, Total, hour_total, owner_of, total_of, totals_pk
from gpubroker.usage.views import HistoryView, PointView, metrics_of
from gpubroker.usage.watermarks import complete_until_ms

MOST = {"hour": 744, "day": 400, "month": 36}
_USUAL = {"hour": timedelta(hours=24), "day": timedelta(days=30), "month": timedelta(days=365)}
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_MOST_PENDING = 100
"""Pending hours of a user that are added up while somebody waits."""

Totals = dict[int, Total]
"""By the moment at which the hour or day begins."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """starts of the steps, and where the last one ends; epoch milliseconds."""

    granularity: Granularity
    starts: list[int]
    end: int

    def spans(self) -> Iterable[tuple[int, int]]:
        return zip(self.starts, [*self.starts[1:], self.end], strict=True)


class History:
    def __init__(self, organisations: Organisations, clock: Callable[[], datetime]) -> None:
        self._organisations = organisations
        self._clock = clock

    def of_instance(self, caller: Caller, instance_id: str, wanted: HistoryFields) -> HistoryView:
        """Raises UsageNotFound, Invalid."""
        now = self._clock()
        owner = newest_owner(instance_id, owner_seen_by(caller), _ms(now))
        if owner is None:
            raise UsageNotFound(f"There is no usage of {instance_id}.")
        steps = _steps(wanted, now)
        complete = complete_until_ms(instance_id)
        if steps.granularity == "hour":
            found = _hours_of_instance(instance_id, owner_seen_by(caller), steps.starts[0], steps.end)
        else:
            found = _days_of_instance(owner, instance_id, steps.starts[0], min(steps.end, _ms(now) + DAY_MS), _ms(now))
        return _shown("instance", instance_id, wanted, steps, found, complete)

    def of_user(self, caller: Caller, user_id: str, wanted: HistoryFields) -> HistoryView:
        """Raises UsageNotFound, Invalid."""
        may_see_user(caller, user_id)
        now = self._clock()
        steps = _steps(wanted, now)
        complete = complete_until_ms()
        pending = _pending_hours(user_id, steps, _ms(now))
        if len(pending) > _MOST_PENDING:
            pending = pending[-_MOST_PENDING:]  # the rest as it was last made: not complete then
            complete = min(complete or 0, pending[0])
        live = {hour_ms: hour_total(user_id, hour_ms) for hour_ms in pending}
        return _shown("user", user_id, wanted, steps, _kept(user_id, steps, live), complete)

    def of_organisation(self, caller: Caller, org_id: str, wanted: HistoryFields) -> HistoryView:
        """Raises UsageNotFound, Invalid."""
        may_see_organisation(caller, org_id, self._organisations)
        steps = _steps(wanted, self._clock())
        complete = complete_until_ms(organisation=True)
        return _shown("organization", org_id, wanted, steps, _kept(owner_of(org_id), steps, {}), complete)


# ------------------------------------------------------------------ the steps


def _steps(wanted: HistoryFields, now: datetime) -> _Steps:
    """Raises Invalid for a range that makes no sense, or makes too many steps."""
    step = wanted.granularity
    end = min((wanted.end or now).astimezone(UTC), now)
    start = wanted.start.astimezone(UTC) if wanted.start else end - _USUAL[step]
    if start >= now:
        raise Invalid.of("start", "lies in the future")
    if start < _FIRST:
        raise Invalid.of("start", "lies before there was any usage")
    if step == "hour" and _ms(start) < _ms(now) - retention_ms():
        days = retention_ms() // DAY_MS
        raise Invalid.of("start", f"lies more than {days} days back, as long as hours are kept; ask by day")
    moment = _floor(start, step)
    starts: list[int] = []
    while moment < end:
        if len(starts) == MOST[step]:
            raise Invalid.of(
                "start", f"makes more than {MOST[step]} steps of a {step}; ask for less, or in longer steps"
            )
        starts.append(_ms(moment))
        moment = _next(moment, step)
    return _Steps(step, starts, _ms(moment))


def _floor(moment: datetime, step: Granularity) -> datetime:
    moment = moment.replace(minute=0, second=0, microsecond=0)
    if step != "hour":
        moment = moment.replace(hour=0)
    return moment.replace(day=1) if step == "month" else moment


def _next(moment: datetime, step: Granularity) -> datetime:
    if step == "month":
        return (moment + timedelta(days=32)).replace(day=1)
    return moment + (timedelta(hours=1) if step == "hour" else timedelta(days=1))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


# ------------------------------------------------------------------ an instance


def _hours_of_instance(instance_id: str, only: str | None, start_ms: int, end_ms: int) -> Totals:
    keys = [
        key for key in keys_of_instance(instance_id, start_ms, end_ms) if only is None or hour_of_key(*key)[0] == only
    ]
    return _by_hour(keys)


def _by_hour(keys: list[tuple[str, str]]) -> Totals:
    found: Totals = {}
    for item in HourItem.batch_get(keys, consistent_read=True):
        hour_ms = hour_of_key(item.pk, item.sk)[2]
        found.setdefault(hour_ms, Total()).merge(total_of(Hour(hour_ms, item.value())))
    return found


def _days_of_instance(owner: str, instance_id: str, start_ms: int, end_ms: int, now_ms: int) -> Totals:
    prefix = f"INSTANCE#{instance_id}#"
    kept = TotalItem.query(
        totals_pk(owner),
        TotalItem.sk.between(f"{prefix}{day_text(start_ms)}", f"{prefix}{day_text(end_ms - 1)}"),
    )
    found = {moment_of(item.sk.removeprefix(prefix)): Total.of(item) for item in kept}
    pending = {now_ms - now_ms % DAY_MS}
    for item in PendingItem.query(pending_pk(owner), consistent_read=True):
        moment = moment_of(item.sk.partition("#")[2])
        pending.add(moment - moment % DAY_MS)
    for day in pending:
        if start_ms <= day < end_ms:
            keys = [hour_key(owner, instance_id, day + number * HOUR_MS) for number in range(24)]
            total = Total()
            for one in _by_hour(keys).values():
                total.merge(one)
            if total.sums:
                found[day] = total
    return found


# ------------------------------------------------------------------ a user, an organisation


def _pending_hours(user_id: str, steps: _Steps, now_ms: int) -> list[int]:
    """Hours of the range whose totals are to be made; the present one and the one before are always among them."""
    first, last = hour_of(steps.starts[0]), steps.end
    found = {hour_of(now_ms), hour_of(now_ms) - HOUR_MS}
    items = PendingItem.query(
        pending_pk(user_id),
        PendingItem.sk.between(f"HOUR#{hour_text(first)}", f"HOUR#{hour_text(last - 1)}"),
        consistent_read=True,
    )
    found |= {moment_of(item.sk.removeprefix("HOUR#")) for item in items}
    return sorted(hour_ms for hour_ms in found if first <= hour_ms < last)


def _kept(owner: str, steps: _Steps, live: Totals) -> Totals:
    """Totals as they are kept, with those of `live` in the place of theirs."""
    start, end = steps.starts[0], steps.end
    if steps.granularity == "hour":
        return {**_stored(owner, "HOUR#", hour_text(start), hour_text(end - 1)), **live}
    found = _stored(owner, "DAY#", day_text(start), day_text(end - 1))
    for day in {hour_ms - hour_ms % DAY_MS for hour_ms in live}:
        hours = _stored(owner, "HOUR#", f"{day_text(day)}T00", f"{day_text(day)}T23")
        total = Total()
        for one in {**hours, **{hour: some for hour, some in live.items() if day <= hour < day + DAY_MS}}.values():
            total.merge(one)
        found[day] = total
    return found


def _stored(owner: str, kind: str, first: str, last: str) -> Totals:
    items = TotalItem.query(
        totals_pk(owner), TotalItem.sk.between(f"{kind}{first}", f"{kind}{last}"), consistent_read=True
    )
    return {moment_of(item.sk.removeprefix(kind)): Total.of(item) for item in items}


# ------------------------------------------------------------------ the answer


def _shown(
    scope: str, name: str, wanted: HistoryFields, steps: _Steps, found: Totals, complete: int | None
) -> HistoryView:
    moments = sorted(found)
    points, at = [], 0
    for start, end in steps.spans():
        total = Total()
        while at < len(moments) and moments[at] < end:
            if moments[at] >= start:
                total.merge(found[moments[at]])
            at += 1
        points.append(_point(start, end, total, wanted, complete))
    last = max((total.last_ms for total in found.values()), default=0)
    return HistoryView(
        scope=scope,
        id=name,
        granularity=steps.granularity,
        start=moment_text(steps.starts[0]),
        end=moment_text(steps.end),
        points=points,
        gaps=sum(point.gap for point in points),
        last_event_at=moment_text(last) if last else None,
        complete_until=None if complete is None else moment_text(complete),
    )


def _point(start: int, end: int, total: Total, wanted: HistoryFields, complete: int | None) -> PointView:
    sums = total.all()
    metrics, highest = metrics_of(sums, None if wanted.metrics is None else list(wanted.metrics))
    return PointView(
        start=moment_text(start),
        end=moment_text(end),
        gap=sums.events == 0,
        complete=complete is not None and end <= complete,
        events=sums.events,
        instances=total.counted,
        covered_seconds=number(sums.covered_ms * 1000),
        conflicts=total.conflicts,
        metrics=metrics,
        highest=highest,
    )
