"""Price history, read. Every question is a handful of bounded Queries by key, never a Scan.

    a GPU type     one Query of at most `limit` small items; of the last two hours, which may not be rolled up yet,
                   what was observed itself
    an offer, raw  one Query of at most `limit` points
    an offer       one Query of its days; of days that are not over, its points and its rows of the hourly looks

A bucket that is not found is a gap.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.prices.history import retention
from gpubroker.prices.history.aggregate import Observation, Stats, series_key, stats_of
from gpubroker.prices.history.items import (
    DAY,
    POINT,
    HistoryItem,
    day_of,
    day_text,
    hour_key,
    hour_text,
    market_part,
    observations_of,
    offer_key,
)
from gpubroker.prices.history.requests import HistoryFields, Resolution
from gpubroker.prices.history.rollups import stats_told
from gpubroker.prices.history.views import Bucket, HistoryView, Point
from gpubroker.prices.ports import Names

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_STEPS = {"hourly": _HOUR, "daily": _DAY}
_RAW_SPAN = timedelta(days=2)
_HOURLY_SPAN = timedelta(days=14)
_LIVE = timedelta(hours=2)
_MOST_OBSERVED = 5000  # items of one hour that are read for an answer


class Cursors(Protocol):
    """edge.cursors, as far as a list needs it."""

    @staticmethod
    def encode(position: list[object], *, caller: Caller | None, query: str) -> str: ...

    @staticmethod
    def decode(cursor: str, *, caller: Caller | None, query: str) -> list[object]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question made exact: what of, in which steps, and where this page starts."""

    gpu: str | None
    provider: str | None
    region: str | None
    spot: bool | None
    offer_id: str | None
    resolution: Resolution
    since: datetime
    until: datetime
    page: str | None


class History:
    def __init__(self, names: Names, cursors: Cursors, clock: Callable[[], datetime]) -> None:
        self._names = names
        self._cursors = cursors
        self._clock = clock

    def page(self, wanted: HistoryFields, caller: Caller) -> HistoryView:
        """Raises Invalid for a name, a span or a cursor that makes no sense."""
        now = self._clock()
        query = f"price-history {wanted.scope()!r}"
        page = None
        if wanted.cursor is not None:
            position, resolution = self._cursors.decode(wanted.cursor, caller=caller, query=query)
            page = str(position)  # and of its resolution still, though a span without an end has grown meanwhile
            wanted = wanted.model_copy(update={"resolution": resolution})
        asked = self._exact(wanted, now, page)
        points: list[Bucket] | list[Point]
        if asked.resolution == "raw":
            points, following = _raw(asked, wanted.limit, now)
        else:
            points, following = _buckets(asked, wanted.limit, now)
        return HistoryView(
            gpu=asked.gpu,
            provider=asked.provider,
            region=asked.region,
            spot=asked.spot,
            offer_id=asked.offer_id,
            resolution=asked.resolution,
            since=iso(asked.since),
            until=iso(asked.until),
            points=points,
            gaps=sum(isinstance(point, Bucket) and point.gap for point in points),
            next_cursor=following and self._cursors.encode([following, asked.resolution], caller=caller, query=query),
        )

    def _exact(self, wanted: HistoryFields, now: datetime, page: str | None) -> _Asked:
        until = min(wanted.until.astimezone(UTC), now) if wanted.until else now
        since = wanted.since.astimezone(UTC) if wanted.since else until - timedelta(days=wanted.days or 30)
        if since >= now:
            raise Invalid.of("from", "lies in the future")
        resolution = _resolution(wanted, until - since)
        since = max(since, now - retention.KEPT[resolution])
        until = max(until, since)
        if resolution != "raw":
            since = _floor(since, _STEPS[resolution])
        return _Asked(
            gpu=self._names.gpu(wanted.gpu_name) if wanted.gpu_name else None,
            provider=wanted.provider.strip().lower() if wanted.provider else None,
            region=self._names.region(wanted.region) if wanted.region else None,
            spot=wanted.spot,
            offer_id=wanted.offer_id,
            resolution=resolution,
            since=since,
            until=until,
            page=page,
        )


def _resolution(wanted: HistoryFields, span: timedelta) -> Resolution:
    if wanted.resolution != "auto":
        return wanted.resolution
    if wanted.offer_id and span <= _RAW_SPAN:
        return "raw"
    return "hourly" if span <= _HOURLY_SPAN else "daily"


def _floor(moment: datetime, step: timedelta) -> datetime:
    hour = 0 if step == _DAY else moment.hour
    return moment.replace(hour=hour, minute=0, second=0, microsecond=0)


def _live(item: HistoryItem, now: datetime) -> bool:
    return item.expires_at is None or item.expires_at > now.timestamp()


# ------------------------------------------------------------------ raw


def _raw(asked: _Asked, limit: int, now: datetime) -> tuple[list[Point], str | None]:
    first = asked.page or f"{POINT}{iso(asked.since)}"
    last = f"{POINT}{iso(asked.until)}~"
    found = list(
        HistoryItem.query(
            offer_key(str(asked.offer_id)),
            HistoryItem.sk.between(first, last),
            limit=limit + 1,
            page_size=limit + 1,
        )
    )
    points = [_point(item) for item in found[:limit] if _live(item, now)]
    return points, found[limit].sk if len(found) > limit else None


def _point(item: HistoryItem) -> Point:
    price, old = int(item.price), int(item.old_price)
    return Point(
        timestamp=item.sk.split("#")[1],
        price=usd(price),
        price_micros=price,
        old_price=usd(old),
        old_price_micros=old,
        event_id=item.event_id,
    )


# ------------------------------------------------------------------ buckets


def _buckets(asked: _Asked, limit: int, now: datetime) -> tuple[list[Bucket], str | None]:
    step = _STEPS[asked.resolution]
    start = datetime.fromisoformat(asked.page) if asked.page else asked.since
    starts: list[datetime] = []
    while start < asked.until and len(starts) < limit:
        starts.append(start)
        start += step
    if not starts:
        return [], None
    stored = _of_offer(asked, starts, now) if asked.offer_id else _of_series(asked, starts, now)
    points = [Bucket.of(one, one + step, stored.get(one), now) for one in starts]
    return points, start.isoformat() if start < asked.until else None


def _of_series(asked: _Asked, starts: list[datetime], now: datetime) -> dict[datetime, Stats]:
    text = hour_text if asked.resolution == "hourly" else day_text
    name = series_key(str(asked.gpu), asked.provider, asked.region, asked.spot)
    by_text = {text(start): start for start in starts}
    found = {
        by_text[item.sk]: stats_told(item.stats)
        for item in HistoryItem.query(
            f"{asked.resolution.upper()}#{name}", HistoryItem.sk.between(text(starts[0]), text(starts[-1]))
        )
        if item.sk in by_text and _live(item, now)
    }
    for start in starts:
        if start not in found and start + _STEPS[asked.resolution] > now - _LIVE and (stats := _now(asked, start, now)):
            found[start] = stats
    return found


def _now(asked: _Asked, start: datetime, now: datetime) -> Stats | None:
    """A bucket that is not rolled up yet, from what the last two hours saw of it."""
    hour = max(start, _floor(now - _HOUR, _HOUR))
    end = start + _STEPS[asked.resolution]
    seen: list[Observation] = []
    while hour < min(end, now):
        items = HistoryItem.query(hour_key(hour_text(hour), str(asked.gpu)), limit=_MOST_OBSERVED)
        seen += [one for item in items for one in observations_of(item) if _wanted(asked, one)]
        hour += _HOUR
    return stats_of(seen)


def _wanted(asked: _Asked, one: Observation) -> bool:
    region = one.region or ""
    return (
        asked.provider in (None, one.provider)
        and asked.region in (None, region, region.partition("-")[0])
        and asked.spot in (None, one.spot)
    )


# ------------------------------------------------------------------ one offer's buckets


def hours_of_offer(offer_id: str, gpu: str, since: datetime, now: datetime) -> dict[datetime, Stats]:
    """The hours from `since` until now in which an offer of a GPU type was seen; others are not in it."""
    first = _floor(max(since, now - retention.KEPT["hourly"]), _HOUR)
    starts = [first + n * _HOUR for n in range(-(-(now - first) // _HOUR))]
    asked = _Asked(gpu, None, None, None, offer_id, "hourly", first, now, None)
    stored = _of_offer(asked, starts, now) if starts else {}
    return {start: stored[start] for start in starts if start in stored}


def _of_offer(asked: _Asked, starts: list[datetime], now: datetime) -> dict[datetime, Stats]:
    key = offer_key(str(asked.offer_id))
    first, last = day_text(starts[0]), day_text(starts[-1])
    days = {
        item.sk.removeprefix(DAY): item
        for item in HistoryItem.query(key, HistoryItem.sk.between(DAY + first, DAY + last))
        if _live(item, now)
    }
    stats: dict[datetime, Stats] = {}
    for day, item in days.items():
        told = orjson.loads(item.stats)
        if asked.resolution == "daily":
            stats[day_of(day)] = Stats(*told["day"])
        else:
            stats |= {day_of(day) + int(hour) * _HOUR: Stats(*values) for hour, values in told["hours"].items()}
    gpu = asked.gpu or next((item.gpu_type for item in days.values()), None)
    open_days = [day for day in (_floor(now - _DAY, _DAY), _floor(now, _DAY)) if first <= day_text(day) <= last]
    missing = [day for day in open_days if day_text(day) not in days]
    return stats | _unfinished(asked, missing, gpu, now) if missing else stats


def _unfinished(asked: _Asked, days: list[datetime], gpu: str | None, now: datetime) -> dict[datetime, Stats]:
    """Days that are not written yet, from the offer's points and its rows of the hourly looks at the market."""
    offer_id = str(asked.offer_id)
    since, until = days[0], min(days[-1] + _DAY, now)
    points = list(
        HistoryItem.query(
            offer_key(offer_id),
            HistoryItem.sk.between(f"{POINT}{iso(since)}", f"{POINT}{iso(until)}~"),
            limit=_MOST_OBSERVED,
        )
    )
    seen = [one for item in points for one in observations_of(item)]
    gpu = gpu or next((item.gpu_type for item in points), None)
    if gpu is not None:
        seen += _looks(offer_id, gpu, since, until)
    step = _STEPS[asked.resolution]
    buckets: dict[datetime, list[Observation]] = {}
    for one in seen:
        moment = datetime.fromtimestamp(one.at_ms / 1000, UTC)
        buckets.setdefault(_floor(moment, step), []).append(one)
    return {start: stats for start, some in buckets.items() if (stats := stats_of(some))}


def _looks(offer_id: str, gpu: str, since: datetime, until: datetime) -> Iterator[Observation]:
    keys = [(hour_key(hour, gpu), market_part(offer_id)) for hour in _hours(since, until)]
    for item in HistoryItem.batch_get(keys):
        yield from (one for one in observations_of(item) if one.offer_id == offer_id)


def _hours(since: datetime, until: datetime) -> Iterable[str]:
    hour = _floor(since, _HOUR)
    while hour < until:
        yield hour_text(hour)
        hour += _HOUR
