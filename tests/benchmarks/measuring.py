"""Rows of results, and how times are taken: medians of many single calls, ours and the peer's in the same process."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One promise. `limit` is in the row's unit; `holds` says whether it was kept (None: nothing was promised).

    Where a peer is named, `peer_value` is its figure in microseconds or milliseconds like `value`, or in the unit that
    `value` is a ratio of; `ratio` is the peer's time over ours, so more than 1 means that ours is faster.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    holds: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}


def at_most(name: str, value: float, unit: str, limit: float) -> Row:
    return Row(name, value, unit, limit, holds=value <= limit)


def at_least_times_faster(name: str, ours: float, peer: str, theirs: float, limit: float, of: str) -> Row:
    """`value` and `ratio` are how many times faster ours is; `of` is the unit of both times."""
    ratio = theirs / ours
    return Row(f"{name} ({ours:.4g} {of} against {theirs:.4g})", ratio, "times faster", limit, peer, theirs, ratio,
               ratio >= limit)  # fmt: skip


def at_most_times(name: str, ours: float, peer: str, theirs: float, limit: float, of: str) -> Row:
    """`value` is how many times the peer's time ours takes."""
    return Row(f"{name} ({ours:.4g} {of} against {theirs:.4g})", ours / theirs, "times the peer's", limit, peer, theirs,
               theirs / ours, ours / theirs <= limit)  # fmt: skip


def median_us(call: Callable[[Any], object], inputs: Iterable[Any], *, warm: int = 50) -> float:
    """The median time of one call, in microseconds, over all inputs; the first `warm` are not counted."""
    times: list[int] = []
    clock = time.perf_counter_ns
    for one in inputs:
        begun = clock()
        call(one)
        times.append(clock() - begun)
    return statistics.median(times[warm:] or times) / 1000


def medians_us(calls: Sequence[Callable[[Any], object]], inputs: Sequence[Any], *, rounds: int = 5) -> list[float]:
    """The medians of several implementations over the same inputs, taken in turns so that noise meets them alike."""
    times: list[list[int]] = [[] for _ in calls]
    clock = time.perf_counter_ns
    for turn in range(rounds + 1):
        for number, call in enumerate(calls):
            for one in inputs:
                begun = clock()
                call(one)
                if turn:
                    times[number].append(clock() - begun)
    return [statistics.median(own) / 1000 for own in times]


def best_ms(call: Callable[[], object], *, rounds: int = 7) -> float:
    """The best time of a heavy call, in milliseconds: what it takes when nothing else runs."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000
