"""Rows, and the timing of two things side by side.

Ours and the peer take turns, round after round, so that whatever else this machine does meets both; a figure is the
median over the rounds. A limit is held against ours, a ratio against the peer of the same rounds.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the results.

    limit  what `value` may be at most; None where nothing was promised, or the promise is about the ratio
    ratio  see each benchmark: how many times the peer's value is ours (speed), or ours the peer's (overhead)
    """

    name: str
    value: float
    unit: str
    limit: float | None
    peer: str | None
    peer_value: float | None
    ratio: float | None
    holds: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def row(
    name: str,
    value: float,
    unit: str,
    *,
    limit: float | None = None,
    peer: str | None = None,
    peer_value: float | None = None,
    faster: float | None = None,
    at_most: float | None = None,
    equal: bool = True,
) -> Row:
    """A row, judged: `limit` bounds the value, `faster` asks for peer/value at least, `at_most` bounds value/peer.

    `equal` is whether ours and the peer gave the same answers, where they were compared.
    """
    ratio = None
    holds = equal and (limit is None or value <= limit)
    if peer_value is not None:
        ratio = value / peer_value if at_most is not None else peer_value / value
        holds = holds and (at_most is None or ratio <= at_most) and (faster is None or ratio >= faster)
    return Row(name, _short(value), unit, limit, peer, _short(peer_value), _short(ratio), holds)


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def p50(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def timed(calls: Sequence[Call], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds of each call."""
    spent = []
    for call in calls:
        started = clock()
        call()
        spent.append(clock() - started)
    return spent


def in_turn(
    *sides: Callable[[], Sequence[Call]],
    rounds: int,
    before: Call | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """For each side the p50 of each round, in seconds. A side gives the calls of one round, made before it is timed.

    before: what keeps the world as it would be (data renewed, say); not timed.
    clock: time.process_time for long work of one thread, which others on this machine would interrupt.
    """
    found: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + 1):
        if before is not None:
            before()
        turn = list(enumerate(sides))
        for index, side in turn if number % 2 else reversed(turn):
            calls = side()
            gc.collect()
            spent = p50(timed(calls, clock))
            if number:  # the round before the first one warms up
                found[index].append(spent)
    return found
