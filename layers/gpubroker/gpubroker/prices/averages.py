"""Averages per GPU type in one-minute windows of event time, [start, end) (R13.4 (253)).

Each shard counts its own part of a window. The watermark is our clock less `GRACE_MS`: a change is in the stream within
a second or two of its moment. When it passes the end of a window, the parts are added up and told as revision 1; parts
that grow afterwards, by changes that came up to an hour late, are told again under the next revision.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from pynamodb.exceptions import DeleteError

from gpubroker.kernel.money import usd
from gpubroker.kernel.time import parse_iso
from gpubroker.prices.detector import MINUTE_MS
from gpubroker.prices.facts import SOURCE, averages
from gpubroker.prices.items import DUE, PART, TOLD, WINDOW_KEPT_S, StateItem, minute_text
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.transaction import transaction

GRACE_MS = 15_000
_MOST_TOLD = 60  # windows of one transaction, each an item beside the one event


class Averages:
    """clock_ms gives epoch milliseconds."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms

    def close(self) -> int:
        """Tell every window that is over and has changed since it was last told. How many were told."""
        now_ms = self._clock_ms()
        open_from = minute_text(now_ms - GRACE_MS)  # the minute that is still running
        told = 0
        due = list(StateItem.query(DUE, StateItem.sk < open_from, consistent_read=True))
        minutes: dict[str, list[StateItem]] = {}
        for marker in due:
            minutes.setdefault(marker.sk.partition("#")[0], []).append(marker)
        for minute, markers in sorted(minutes.items()):
            told += self._tell(minute)
            for marker in markers:
                _settled(marker)
        return told

    def _tell(self, minute: str) -> int:
        items = list(StateItem.query(f"WINDOW#{minute}", consistent_read=True))
        before = {item.gpu_type: item for item in items if item.sk.startswith(TOLD)}
        parts: dict[str, list[StateItem]] = {}
        for item in items:
            if item.sk.startswith(PART):
                parts.setdefault(item.gpu_type, []).append(item)
        changed = [
            (gpu_type, of_gpu)
            for gpu_type, of_gpu in sorted(parts.items())
            if gpu_type not in before or before[gpu_type].samples != sum(part.samples for part in of_gpu)
        ]
        for start in range(0, len(changed), _MOST_TOLD):
            self._publish(minute, changed[start : start + _MOST_TOLD], before)
        return len(changed)

    def _publish(self, minute: str, changed: list[tuple[str, list[StateItem]]], before: dict[str, StateItem]) -> None:
        windows = []
        with transaction(StateItem) as tx:
            for gpu_type, parts in changed:
                was = before.get(gpu_type)
                revision = int(was.version) + 1 if was else 1
                window = _window(gpu_type, minute, parts, revision)
                windows.append(window)
                told = StateItem(f"WINDOW#{minute}", TOLD + gpu_type, version=revision, gpu_type=gpu_type)
                told.samples = window["samples"]
                told.expires_at = self._clock_ms() // 1000 + WINDOW_KEPT_S
                condition = StateItem.version == was.version if was else StateItem.pk.does_not_exist()
                tx.put(told, condition=condition)
            for event in averages(windows, minute):
                tx.put(outbox_item(StateItem, event, source=SOURCE))


def _settled(marker: StateItem) -> None:
    """Forget a marker, unless it was left anew meanwhile."""
    try:
        marker.delete(condition=StateItem.stamp == marker.stamp)
    except DeleteError as error:
        if not lost_condition(error):
            raise


def _window(gpu_type: str, minute: str, parts: Iterable[StateItem], revision: int) -> dict[str, Any]:
    held = list(parts)
    samples = sum(int(part.samples) for part in held)
    average = round(Fraction(sum(int(part.total) for part in held), samples))
    return {
        "gpu_type": gpu_type,
        "start": f"{minute}:00.000Z",
        "end": _end(minute),
        "average_price": usd(average),
        "average_price_micros": average,
        "samples": samples,
        "min_price": usd(min(int(part.lowest) for part in held)),
        "max_price": usd(max(int(part.highest) for part in held)),
        "revision": revision,
    }


def _end(minute: str) -> str:
    start_ms = round(parse_iso(f"{minute}:00.000Z").timestamp() * 1000)
    return f"{minute_text(start_ms + MINUTE_MS)}:00.000Z"
