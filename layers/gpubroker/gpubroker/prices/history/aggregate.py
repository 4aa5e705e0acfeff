"""Roll-ups: pure. Observations in; lowest, median, highest and last price of each series out.

An observation is a price that was seen: a change, or an offer's price in the hourly look at the market. Every one
counts the same, so the figures of a series are those of all its observations, and a day is computed from the
observations themselves, never from hourly medians.

A series is a GPU type, all of it or of one provider, one region (or all of its parts: `us` for `us-east` and
`us-west`), on demand or spot, in any combination.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple
from urllib.parse import quote


class Observation(NamedTuple):
    """at_ms in epoch milliseconds, price in micro-USD per GPU-hour."""

    at_ms: int
    price: int
    offer_id: str
    provider: str
    region: str | None
    spot: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """Micro-USD per GPU-hour. `samples` observations of `offers` offers."""

    low: int
    median: int
    high: int
    last: int
    samples: int
    offers: int


def series_key(gpu_type: str, provider: str | None, region: str | None, spot: bool | None) -> str:
    """The name that a series is stored under."""
    kind = "" if spot is None else "spot" if spot else "demand"
    return "|".join((_text(gpu_type), _text(provider or ""), _text(region or ""), kind))


def _text(name: str) -> str:
    return quote(name, safe=" ")


def stats_of(observations: Iterable[Observation]) -> Stats | None:
    """None where there is nothing to tell."""
    seen = list(observations)
    if not seen:
        return None
    prices = sorted(one.price for one in seen)
    last = max(seen, key=lambda one: one.at_ms).price
    return Stats(prices[0], _median(prices), prices[-1], last, len(seen), len({one.offer_id for one in seen}))


def _median(ordered: list[int]) -> int:
    """Of an even number the mean of the middle two, rounded half to even."""
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    whole, rest = divmod(ordered[half - 1] + ordered[half], 2)
    return whole + (rest and whole % 2)


def by_series(gpu_type: str, observations: Iterable[Observation]) -> dict[str, Stats]:
    """Every series of one GPU type that something was seen of."""
    held: dict[str, list[Observation]] = {}
    names: dict[tuple[str, str | None, bool], list[str]] = {}
    for one in observations:
        where = (one.provider, one.region, one.spot)
        if where not in names:
            names[where] = [series_key(gpu_type, *key) for key in _series_of(*where)]
        for name in names[where]:
            held.setdefault(name, []).append(one)
    return {name: stats for name, seen in held.items() if (stats := stats_of(seen))}


def _series_of(provider: str, region: str | None, spot: bool) -> Iterable[tuple[str | None, str | None, bool | None]]:
    regions = {None, region, region.partition("-")[0]} if region else {None}
    return product((None, provider), regions, (None, spot))


def by_offer(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    held: dict[str, list[Observation]] = {}
    for one in observations:
        held.setdefault(one.offer_id, []).append(one)
    return held
