"""What instances use at this moment: their last events, read from the hours that are counted (checklist 423, 425).

An instance costs one Query of an index and a read of its last hour; a user one Query of the present hour, and of the
one before while the present one is young.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from gpubroker.kernel.caller import Caller
from gpubroker.usage.access import UsageNotFound, may_see_user, owner_seen_by
from gpubroker.usage.event import HOUR_MS, METRICS, Usage, moment_text, number
from gpubroker.usage.hour import Hour, hour_of
from gpubroker.usage.items import HourItem, TotalItem, hour_of_key
from gpubroker.usage.reading import hour_items, keys_of_instance
from gpubroker.usage.totals import totals_pk
from gpubroker.usage.views import CurrentInstanceView, CurrentUserView, InstanceUsageView, MetricsView
from gpubroker.usage.watermarks import complete_until_ms

SILENT_MS = 10 * 60_000
"""An instance that has told nothing for so long has no current usage: what it used then says nothing of now."""
_NEWEST = 4  # hours of an instance looked at; more than one where it went from one user to another
_LONG_AGO_MS = 400 * 24 * HOUR_MS


class CurrentUsage:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def of_instance(self, caller: Caller, instance_id: str) -> CurrentInstanceView:
        """Raises UsageNotFound where it never told anything, or is another's."""
        now_ms = self._now_ms()
        complete = complete_until_ms(instance_id)
        event = _last_of(instance_id, owner_seen_by(caller), now_ms)
        if event is None:
            raise UsageNotFound(f"There is no usage of {instance_id}.")
        shown = InstanceUsageView.of(event, reporting=_end(event) >= now_ms - SILENT_MS)
        return CurrentInstanceView(
            **dict(shown), last_event_at=moment_text(_end(event)), complete_until=_text(complete)
        )

    def of_user(self, caller: Caller, user_id: str, limit: int) -> CurrentUserView:
        """Raises UsageNotFound for another tenant."""
        may_see_user(caller, user_id)
        now_ms = self._now_ms()
        complete = complete_until_ms()
        newest: dict[str, Usage] = {}
        for item in hour_items(user_id, hour_of(now_ms - SILENT_MS), hour_of(now_ms) + HOUR_MS):
            event = last_event(item)
            if event is not None and _end(event) >= now_ms - SILENT_MS:
                newest[event.instance_id] = event
        instances = [newest[instance_id] for instance_id in sorted(newest)]
        last = max(map(_end, instances), default=None) or _last_total(user_id)
        return CurrentUserView(
            user_id=user_id,
            instance_count=len(instances),
            instances=[InstanceUsageView.of(event, reporting=True) for event in instances[:limit]],
            totals=_totals(instances),
            last_event_at=_text(last),
            complete_until=_text(complete),
        )

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def last_event(item: HourItem) -> Usage | None:
    """The event of an hour whose period ends last."""
    user_id, instance_id, hour_ms = hour_of_key(item.pk, item.sk)
    event = max((one for one, _ in Hour(hour_ms, item.value()).events()), key=_end, default=None)
    return None if event is None else event._replace(user_id=user_id, instance_id=instance_id)


def newest_owner(instance_id: str, only: str | None, now_ms: int) -> str | None:
    """Whose instance it is, or was last; `only` of one user."""
    for pk, sk in _newest_keys(instance_id, only, now_ms):
        return hour_of_key(pk, sk)[0]
    return None


def _newest_keys(instance_id: str, only: str | None, now_ms: int) -> Iterable[tuple[str, str]]:
    # No limit where one user is looked for: the newest hours may be of another, to whom the instance went.
    keys = keys_of_instance(
        instance_id,
        now_ms - _LONG_AGO_MS,
        hour_of(now_ms) + HOUR_MS,
        newest_first=True,
        limit=_NEWEST if only is None else None,
    )
    return (key for key in keys if only is None or hour_of_key(*key)[0] == only)


def _last_of(instance_id: str, only: str | None, now_ms: int) -> Usage | None:
    for key in _newest_keys(instance_id, only, now_ms):
        for item in HourItem.batch_get([key], consistent_read=True):
            event = last_event(item)
            if event is not None:
                return event
    return None


def _last_total(user_id: str) -> int | None:
    for item in TotalItem.query(
        totals_pk(user_id), TotalItem.sk.startswith("HOUR#"), scan_index_forward=False, limit=1
    ):
        return int(item.last_ms)
    return None


def _totals(events: list[Usage]) -> MetricsView:
    found = {}
    for at, name in enumerate(METRICS):
        values = [event.metrics[at] for event in events]
        there = [value for value in values if value is not None]
        if there:
            total = sum(there)
            found[name] = number(round(total / len(there)) if "percent" in name else total)
    return MetricsView(**found)


def _end(event: Usage) -> int:
    return event.start_ms + event.length_ms


def _text(at_ms: int | None) -> str | None:
    return None if at_ms is None else moment_text(at_ms)
