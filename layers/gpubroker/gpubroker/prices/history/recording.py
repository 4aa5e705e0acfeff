"""What becomes history: every change that the bus tells, and each hour the price of every offer in the market.

The hourly look is what tells a price that stood still from one that nobody knows: an hour in which an offer was neither
changed nor seen is a gap. Prices that are not fresh are not looked at: a provider that is away leaves a gap.
All writes are puts of the same thing under the same key, so a second delivery changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import iso, parse_iso
from gpubroker.prices.history import retention
from gpubroker.prices.history.aggregate import Observation
from gpubroker.prices.history.items import (
    DUE,
    LOOKS,
    POINT,
    HistoryItem,
    expiry,
    hour_key,
    hour_text,
    market_part,
    offer_key,
    packed_rows,
)
from gpubroker.prices.ports import MarketPrice

_MOST_ROWS = 2000  # of one market item; about 60 bytes each before compression


def record_changes(updates: Iterable[Mapping[str, Any]], now: datetime) -> int:
    """Keep the updates of `PricesUpdated` events. How many there were."""
    items: dict[tuple[str, str], HistoryItem] = {}
    due: set[tuple[str, str]] = set()
    count = 0
    for update in updates:
        count += 1
        moment = parse_iso(update["timestamp"])
        hour = hour_text(moment)
        at, mark = iso(moment), f"{crc32(update['event_id'].encode()):08x}"
        told = {
            "at_ms": round(moment.timestamp() * 1000),
            "price": update["new_price_micros"],
            "old_price": update["old_price_micros"],
            "offer_id": update["offer_id"],
            "provider": update["provider"],
            "gpu_type": update["gpu_type"],
            "region": update["region"],
            "spot": update["spot"],
            "event_id": update["event_id"],
        }
        raw = HistoryItem(offer_key(update["offer_id"]), f"{POINT}{at}#{mark}", **told)
        raw.expires_at = expiry(moment, retention.RAW)
        items[raw.pk, raw.sk] = raw
        if moment < now - retention.REDONE:
            continue  # too late for the roll-ups of its hour
        seen = HistoryItem(hour_key(hour, update["gpu_type"]), f"{POINT}{at}#{update['offer_id']}#{mark}", **told)
        seen.expires_at = expiry(moment, retention.OBSERVED)
        items[seen.pk, seen.sk] = seen
        due.add((hour, update["gpu_type"]))
    _write(items.values(), due, now)
    return count


def record_market(prices: Callable[[], Iterable[MarketPrice]], now: datetime) -> int:
    """Keep the price of every offer, as seen now, once an hour. How many there were; `prices` is not asked in vain."""
    hour = hour_text(now)
    if _looked(hour):
        return 0
    at_ms = round(now.timestamp() * 1000)
    parts: dict[tuple[str, str], list[Observation]] = {}
    for price in prices():
        seen = Observation(at_ms, price.micros, price.offer_id, price.provider, price.region, price.spot)
        parts.setdefault((price.gpu_type, market_part(price.offer_id)), []).append(seen)
    items = []
    for (gpu_type, part), rows in parts.items():
        for start in range(0, len(rows), _MOST_ROWS):
            name = part if not start else f"{part}.{start // _MOST_ROWS}"
            item = HistoryItem(hour_key(hour, gpu_type), name, rows=packed_rows(rows[start : start + _MOST_ROWS]))
            item.expires_at = expiry(now, retention.OBSERVED)
            items.append(item)
    _write(items, {(hour, gpu_type) for gpu_type, _ in parts}, now)
    if items:
        HistoryItem(LOOKS, hour, expires_at=expiry(now, retention.OBSERVED)).save()
    return sum(map(len, parts.values()))


def _looked(hour: str) -> bool:
    try:
        HistoryItem.get(LOOKS, hour)
    except DoesNotExist:
        return False
    return True


def mark_due(kind: str, start: str, gpu_type: str, now: datetime) -> HistoryItem:
    """The marker that something has to be rolled up (again)."""
    marker = HistoryItem(DUE, f"{kind}#{start}#{gpu_type}", stamp=new_id("due"))
    marker.expires_at = expiry(now.astimezone(UTC), retention.OBSERVED)
    return marker


def _write(items: Iterable[HistoryItem], due: set[tuple[str, str]], now: datetime) -> None:
    """The observations first: what is marked is there."""
    with HistoryItem.batch_write() as batch:
        for item in items:
            batch.save(item)
    with HistoryItem.batch_write() as batch:
        for hour, gpu_type in sorted(due):
            batch.save(mark_due("hour", hour, gpu_type, now))
