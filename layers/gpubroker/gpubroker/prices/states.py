"""The detector's state in PricesTable: read in one call, written with its findings in one transaction.

Every write is on condition that the version is the one that was read, so a batch takes effect once, whole, and after
whatever another invocation did meanwhile.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pynamodb.expressions.condition import Condition

from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import new_id
from gpubroker.prices.detector import Series, WindowKey
from gpubroker.prices.facts import SOURCE
from gpubroker.prices.items import (
    DUE,
    SERIES_KEPT_S,
    WINDOW_KEPT_S,
    StateItem,
    minute_text,
    packed_ring,
    part_key,
    series_key,
    series_of,
)
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import transaction

READS = 100  # keys of one BatchGetItem
ACTIONS = 100  # of one TransactWriteItems


@dataclass(slots=True)
class Part:
    """What a shard has counted in a window: samples, sum, lowest, highest, micro-USD."""

    counted: list[int]
    version: int


@dataclass(slots=True)
class State:
    series: dict[str, Series]
    parts: dict[WindowKey, Part] = field(default_factory=dict)


class States(Protocol):
    """Where the detector keeps what it knows between batches."""

    def read(self, offers: Iterable[str], windows: Iterable[WindowKey], shard: str) -> State: ...

    def write(
        self, state: State, windows: Mapping[WindowKey, list[int]], facts: Iterable[Event], shard: str, now_ms: int
    ) -> None:
        """All of it or nothing. Raises StaleVersion when somebody else wrote any of it since it was read."""


class StoredStates:
    def read(self, offers: Iterable[str], windows: Iterable[WindowKey], shard: str) -> State:
        """At most READS of both together: one call."""
        series_keys = {series_key(offer): offer for offer in offers}
        part_keys = {part_key(gpu_type, minute, shard): (gpu_type, minute) for gpu_type, minute in windows}
        state = State({offer: Series() for offer in series_keys.values()})
        for item in StateItem.batch_get([*series_keys, *part_keys], consistent_read=True):
            key = (item.pk, item.sk)
            if key in series_keys:
                state.series[series_keys[key]] = series_of(item)
            else:
                counted = [int(item.samples), int(item.total), int(item.lowest), int(item.highest)]
                state.parts[part_keys[key]] = Part(counted, int(item.version))
        return state

    def write(
        self, state: State, windows: Mapping[WindowKey, list[int]], facts: Iterable[Event], shard: str, now_ms: int
    ) -> None:
        now_s = now_ms // 1000
        with transaction(StateItem) as tx:
            for offer_id, series in state.series.items():
                item = StateItem(
                    *series_key(offer_id),
                    version=series.version + 1,
                    ring=packed_ring(series),
                    last_ms=series.last_ms,
                    sequence=series.sequence,
                    expires_at=now_s + SERIES_KEPT_S,
                )
                tx.put(item, condition=_after(series.version))
            for (gpu_type, minute), counted in windows.items():
                before = state.parts.get((gpu_type, minute))
                samples, total, lowest, highest = _added(before.counted if before else None, counted)
                version = before.version if before else 0
                part = StateItem(
                    *part_key(gpu_type, minute, shard),
                    version=version + 1,
                    gpu_type=gpu_type,
                    samples=samples,
                    total=total,
                    lowest=lowest,
                    highest=highest,
                    expires_at=minute // 1000 + WINDOW_KEPT_S,
                )
                tx.put(part, condition=_after(version))
            for minute in {minute for _, minute in windows}:
                due = StateItem(DUE, f"{minute_text(minute)}#{shard}", stamp=new_id("due"))
                due.expires_at = minute // 1000 + WINDOW_KEPT_S
                tx.put(due)
            for event in facts:
                tx.put(outbox_item(StateItem, event, source=SOURCE))


def _after(version: int) -> Condition:
    return StateItem.version == version if version else StateItem.pk.does_not_exist()


def _added(before: list[int] | None, counted: list[int]) -> list[int]:
    if before is None:
        return counted
    return [
        before[0] + counted[0],
        before[1] + counted[1],
        min(before[2], counted[2]),
        max(before[3], counted[3]),
    ]
