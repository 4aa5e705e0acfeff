"""Roll-ups by schedule: what is marked as due is queued, and each message is one period of one GPU type.

A roll-up reads all that was observed in its period and writes what follows from it, so doing it twice, or again after
late changes, or after a run that died halfway, gives the same. A marker goes when its work is done, unless it was left
anew meanwhile. A job that comes when the first of its observations may be deleted already (from a queue that was
redriven days later) does nothing: what is left of them would replace figures that are whole.

    hour   an hour that is over: hourly series
    day    a day, so far: daily series
    final  a day that is over: daily series, and each offer's day with its hours
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pynamodb.exceptions import DeleteError

from gpubroker.messaging.log import logger
from gpubroker.prices.history import retention
from gpubroker.prices.history.aggregate import Observation, Stats, by_offer, by_series, stats_of
from gpubroker.prices.history.items import (
    DAY,
    DUE,
    HistoryItem,
    day_of,
    day_text,
    expiry,
    hour_key,
    hour_of,
    hour_text,
    observations_of,
    offer_key,
)
from gpubroker.prices.history.recording import mark_due
from gpubroker.storage.refusals import lost_condition

Job = dict[str, str]


def due(now: datetime) -> Iterator[Job]:
    """What has to be rolled up and can be: hours that are over, days so far, days that are over."""
    hour, today = hour_text(now), day_text(now)
    for marker in HistoryItem.query(DUE, consistent_read=True):
        kind, start, gpu_type = marker.sk.split("#", 2)
        if (kind == "hour" and start < hour) or kind == "day" or (kind == "final" and start < today):
            yield {"kind": kind, "start": start, "gpu_type": gpu_type, "stamp": marker.stamp}


def roll_up(job: Job, clock: Callable[[], datetime]) -> int:
    """Do one job; how many observations it was made of."""
    kind, start, gpu_type = job["kind"], job["start"], job["gpu_type"]
    begins = hour_of(start) if kind == "hour" else day_of(start)
    if begins + retention.OBSERVED <= clock():
        logger().error("too late to roll up", extra=job)
        _settled(job)
        return 0
    if kind == "hour":
        seen = list(observed(start, gpu_type))
        _save("HOURLY", start, by_series(gpu_type, seen), expiry(begins, retention.HOURLY))
        with HistoryItem.batch_write() as batch:
            for more in ("day", "final"):
                batch.save(mark_due(more, start[:10], gpu_type, clock()))
    else:
        hours = {hour: list(observed(hour, gpu_type)) for hour in _hours_of(start)}
        seen = [one for some in hours.values() for one in some]
        _save("DAILY", start, by_series(gpu_type, seen), expiry(begins, retention.DAILY))
        if kind == "final":
            _save_offers(start, gpu_type, seen)
    _settled(job)
    return len(seen)


def observed(hour: str, gpu_type: str) -> Iterator[Observation]:
    for item in HistoryItem.query(hour_key(hour, gpu_type), consistent_read=True):
        yield from observations_of(item)


def _hours_of(day: str) -> Iterable[str]:
    start = day_of(day)
    return (hour_text(start + timedelta(hours=number)) for number in range(24))


def _save(period: str, start: str, found: dict[str, Stats], expires_at: int) -> None:
    with HistoryItem.batch_write() as batch:
        for name, stats in found.items():
            batch.save(HistoryItem(f"{period}#{name}", start, stats=told(stats), expires_at=expires_at))


def _save_offers(day: str, gpu_type: str, seen: list[Observation]) -> None:
    expires_at = expiry(day_of(day), retention.DAILY)
    with HistoryItem.batch_write() as batch:
        for offer_id, of_offer in by_offer(seen).items():
            hours: dict[str, list[Observation]] = {}
            for one in of_offer:
                hours.setdefault(hour_text(_moment(one.at_ms)), []).append(one)
            stats: dict[str, Any] = {"day": _values(stats_of(of_offer))}
            stats["hours"] = {hour[11:]: _values(stats_of(some)) for hour, some in hours.items()}
            item = HistoryItem(offer_key(offer_id), DAY + day, gpu_type=gpu_type, stats=orjson.dumps(stats).decode())
            item.expires_at = expires_at
            batch.save(item)


def told(stats: Stats) -> str:
    return orjson.dumps(astuple(stats)).decode()


def stats_told(text: str) -> Stats:
    return Stats(*orjson.loads(text))


def _values(stats: Stats | None) -> tuple[int, ...] | None:
    return astuple(stats) if stats else None


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _settled(job: Job) -> None:
    marker = HistoryItem(DUE, f"{job['kind']}#{job['start']}#{job['gpu_type']}")
    try:
        marker.delete(condition=HistoryItem.stamp == job["stamp"])
    except DeleteError as error:
        if not lost_condition(error):
            raise
