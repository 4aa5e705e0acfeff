"""What usage tells other contexts, billing above all: hours of a user, the events they are made of, and how complete.

All of it is read from the hours themselves, strongly consistent: what is counted is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gpubroker.usage import watermarks
from gpubroker.usage.event import HOUR_MS, METRICS, UNIT, told
from gpubroker.usage.hour import Hour, Sums
from gpubroker.usage.items import HourItem, day_text, hour_key, hour_of_key, hour_text, instance_pk

_GB_HOUR = UNIT * HOUR_MS
_DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class HourTotal:
    """What an instance used in an hour, as far as one organisation (or none) pays for it.

    hour      when it begins, UTC
    metrics   `cpu_seconds`, `gpu_seconds`, `network_egress_mb`, `network_ingress_mb`: sums;
              `storage_gb_hours`, `memory_gb_hours`: levels by the time that was measured. Only what was measured
    revision  counts the writes of the hour: a greater one holds more events
    """

    instance_id: str
    org_id: str | None
    hour: datetime
    metrics: dict[str, Decimal | int]
    events: int
    revision: int


def hours_of_user(user_id: str, start: datetime, end: datetime) -> Iterator[HourTotal]:
    """Every hour of [start, end) of every instance of a user, by time. start and end are whole hours, UTC."""
    for item in hour_items(user_id, _ms(start), _ms(end)):
        _, instance_id, hour_ms = hour_of_key(item.pk, item.sk)
        for org, sums in Hour(hour_ms, item.value()).sums.items():
            yield HourTotal(
                instance_id=instance_id,
                org_id=org or None,
                hour=datetime.fromtimestamp(hour_ms / 1000, UTC),
                metrics=billable(sums),
                events=sums.events,
                revision=int(item.version or 0),
            )


def events_of(instance_id: str, hour: datetime, user_id: str | None = None) -> list[dict[str, Any]]:
    """The events of an hour in the seed's shape, by time, each with `event_id` and `received_at`.

    user_id: whose instance it is, where that is known; else all users who had it in this hour.
    """
    hour_ms = _ms(hour)
    if user_id is None:
        keys = list(keys_of_instance(instance_id, hour_ms, hour_ms + HOUR_MS))
    else:
        keys = [hour_key(user_id, instance_id, hour_ms)]
    found = []
    for item in HourItem.batch_get(keys, consistent_read=True):
        owner, _, _ = hour_of_key(item.pk, item.sk)
        for event, received in Hour(hour_ms, item.value()).events():
            whole = event._replace(instance_id=instance_id, user_id=owner)
            found.append((event.start_ms, told(whole, received)))
    return [shown for _, shown in sorted(found, key=lambda one: one[0])]


def complete_until(instance_id: str | None = None) -> datetime | None:
    """Everything that was taken before this moment is counted, of an instance or of all; None while it is unknown."""
    moment = watermarks.complete_until_ms(instance_id)
    return None if moment is None else datetime.fromtimestamp(moment / 1000, UTC)


def billable(sums: Sums) -> dict[str, Decimal | int]:
    """The meters of some sums, as decimals."""
    found: dict[str, Decimal | int] = {}
    for number, name in enumerate(METRICS):
        if not sums.measured[number]:
            continue
        if name in ("storage_gb", "memory_gb"):
            found[f"{name}_hours"] = Decimal(sums.amounts[number]) / _GB_HOUR
        elif not name.endswith("_percent") and name != "cpu_percent_avg":
            found[name] = Decimal(sums.amounts[number]) / UNIT
    return found


# ------------------------------------------------------------------ by key


def hour_items(user_id: str, start_ms: int, end_ms: int) -> Iterator[HourItem]:
    """The hours of a user's instances that begin in [start, end), by time; strongly consistent."""
    day = start_ms - start_ms % _DAY_MS
    while day < end_ms:
        first = hour_text(max(day, start_ms))[11:]
        last = hour_text(min(day + _DAY_MS, end_ms) - 1)[11:]
        yield from HourItem.query(
            f"{user_id}#USAGE#{day_text(day)}",
            HourItem.sk.between(f"{first}#", f"{last}#~"),
            consistent_read=True,
        )
        day += _DAY_MS


def keys_of_instance(
    instance_id: str, start_ms: int, end_ms: int, *, newest_first: bool = False, limit: int | None = None
) -> Iterator[tuple[str, str]]:
    """The keys of an instance's hours that begin in [start, end), of whomever it was."""
    found = HourItem.instances.query(
        instance_pk(instance_id),
        type(HourItem.instances).gsi1sk.between(hour_text(start_ms), f"{hour_text(end_ms - 1)}#~"),
        scan_index_forward=not newest_first,
        limit=limit,
    )
    for item in found:
        yield item.pk, item.sk


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
