"""Hours in the table: read a hundred at a time, written one by one on condition, several at once."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pynamodb.exceptions import PutError, PynamoDBException
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from gpubroker.storage.transaction import lost_condition
from gpubroker.usage.aggregation import HourKey
from gpubroker.usage.event import HOUR_MS
from gpubroker.usage.hour import Stored
from gpubroker.usage.items import HourItem, WatermarkItem, hour_key, hour_of_key

_WRITERS = 8


def retention_ms() -> int:
    """How long events and hours are kept."""
    return int(os.environ["USAGE_RETENTION_DAYS"]) * 24 * HOUR_MS


class StoredHours:
    """usage.aggregation.Hours over the table."""

    def read(self, keys: Iterable[HourKey]) -> dict[HourKey, Stored]:
        """Strongly consistent."""
        found = HourItem.batch_get([hour_key(*key) for key in keys], consistent_read=True)
        return {hour_of_key(item.pk, item.sk): item.value() for item in found}

    def write(self, hours: Mapping[HourKey, Stored]) -> dict[HourKey, Exception | None]:
        if not hours:
            return {}
        HourItem._get_connection()  # made once, before the threads
        kept_ms = retention_ms()
        lost: dict[HourKey, Exception | None] = {}
        written = _writers().map(lambda one: _write(one[0], one[1], kept_ms), hours.items())
        for key, outcome in zip(hours, written, strict=True):
            if outcome is not _WRITTEN:
                lost[key] = None if outcome is _BEATEN else outcome
        return lost

    def reached(self, beats: Mapping[str, int], shard: str) -> None:
        actions: list[Action] = [Path(partition).set({"N": str(at_ms)}) for partition, at_ms in beats.items()]
        WatermarkItem("WATERMARK", shard).update(actions=actions)


class _Outcome(Exception):
    pass


_WRITTEN, _BEATEN = _Outcome(), _Outcome()


def _write(key: HourKey, stored: Stored, kept_ms: int) -> Exception:
    user_id, instance_id, hour_ms = key
    item = HourItem.of(user_id, instance_id, hour_ms, stored, (hour_ms + HOUR_MS + kept_ms) // 1000)
    first = stored.version == 1
    try:
        item.save(condition=HourItem.pk.does_not_exist() if first else HourItem.version == stored.version - 1)
    except PutError as error:
        return _BEATEN if lost_condition(error) else error
    except PynamoDBException as error:
        return error
    return _WRITTEN


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_WRITERS, thread_name_prefix="hours")
