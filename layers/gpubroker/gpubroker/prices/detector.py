"""What a batch of price changes tells (R13): pure. State and changes in; state and findings out.

Significant: the price moved by more than 5 % of what it was, compared as integers, so exactly 5 % is not (251).
Anomaly: |z| > 3 against the samples before it (252). The sample itself is not among them: in a window of n that
holds it, |z| cannot exceed (n-1)/sqrt(n), which for ten is under three. z is (price - mean) / sigma with the sample
standard deviation (n-1), over the last 100 samples, of which there must be ten.
Sigma has a floor of 0.1 % of the mean and of one micro-USD: after a flat run of prices any real move is found, and a
provider that converts currencies does not raise an alarm by its rounding.

Prices are integers, so the sums of the window and of its squares are exact however often samples come and go, and the
numbers are those of exact fractions to the last bit or two, also for a large mean with a tiny spread.

Once in effect: a series remembers the changes that made its window (moment and hash of the event id); what it has
seen changes nothing. A change older than everything in a full window cannot be told from one seen before, and is
taken for that. `sequence` grows with every change; one that comes after a younger one is told under its own moment, so
that whoever keeps the highest sequence keeps the present price.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, TypeAlias

from gpubroker.prices.changes import Change

WINDOW = 100
LEAST = 10
MOST_SIGMAS = 3.0
SIGMA_FLOOR = 0.001  # of the mean
LATENESS_MS = 3_600_000
MINUTE_MS = 60_000

_PAIRS = [float(max(1, count * (count - 1))) for count in range(WINDOW + 1)]
_FLOORS = [SIGMA_FLOOR / max(1, count) for count in range(WINDOW + 1)]

Update: TypeAlias = dict[str, Any]
Judged: TypeAlias = tuple[Change, int, float | None, tuple[float, float, int] | None]
WindowKey: TypeAlias = tuple[str, int]
"""(gpu_type, milliseconds at which its minute starts)"""


class Series:
    """One offer's last samples.

    prices   micro-USD per GPU-hour, at most WINDOW, the oldest first
    seen     the marks of the changes that made them (changes.py)
    total    of the prices, and of their squares: exact
    last_ms  the latest moment so far, and the sequence it was told under
    version  of the stored item; 0 for none
    """

    __slots__ = ("_prices", "_seen", "head", "last_ms", "sequence", "squares", "total", "version")

    def __init__(
        self,
        prices: Iterable[int] = (),
        seen: Iterable[int] = (),
        *,
        last_ms: int = 0,
        sequence: int = 0,
        version: int = 0,
    ) -> None:
        # Rings in plain memory: of thousands of series in turn, objects would each be a miss of the processor's cache.
        self._prices = array("q", prices)
        self._seen = array("q", seen)
        self.head = 0  # where the oldest is, once the rings are full
        self.total = sum(self._prices)
        self.squares = sum(price * price for price in self._prices)
        self.last_ms = last_ms
        self.sequence = sequence
        self.version = version

    @property
    def prices(self) -> "array[int]":
        return self._prices[self.head :] + self._prices[: self.head]

    @property
    def seen(self) -> "array[int]":
        return self._seen[self.head :] + self._seen[: self.head]


@dataclass(slots=True)
class Findings:
    """What a batch told.

    windows   (gpu_type, minute) -> [samples, sum, lowest, highest] of this batch alone, micro-USD
    repeated  changes that were seen before
    too_late  changes that came over an hour after their minute: in no window, but told like any other
    """

    updates: list[Update] = field(default_factory=list)
    changes: list[Update] = field(default_factory=list)
    anomalies: list[Update] = field(default_factory=list)
    windows: dict[WindowKey, list[int]] = field(default_factory=dict)
    repeated: int = 0
    too_late: int = 0


def detect(changes: Iterable[Change], series: Mapping[str, Series], *, now_ms: int) -> Findings:
    """Take changes in, in their order. `series` holds one for each offer of them and is brought up to date."""
    found = Findings()
    tell = found.updates.append
    for change, sequence, z_score, outlier in judge(changes, series, found, now_ms):
        provider, offer_id, old, new, per_hour, moment, gpu_type, gpu_count, region, spot, event_id, _, _ = change
        moved = new - old
        significant = moved * 20 > old or moved * -20 > old
        update = {
            "provider": provider,
            "offer_id": offer_id,
            "old_price": old / 1e6,
            "new_price": new / 1e6,
            "timestamp": moment,
            "old_price_micros": old,
            "new_price_micros": new,
            "new_price_micros_per_hour": per_hour,
            "change_percent": 100 * moved / old,
            "significant": significant,
            "anomaly": outlier is not None,
            "z_score": z_score,
            "gpu_type": gpu_type,
            "gpu_count": gpu_count,
            "region": region,
            "spot": spot,
            "event_id": event_id,
            "sequence": sequence,
        }
        tell(update)
        if significant:
            found.changes.append(update)
        if outlier is not None:
            mean, sigma, samples = outlier
            found.anomalies.append(update | {"mean": mean / 1e6, "sigma": sigma / 1e6, "samples": samples})
    return found


def judge(changes: Iterable[Change], series: Mapping[str, Series], found: Findings, now_ms: int) -> list[Judged]:
    """The statistics: what is new of the changes, each with its sequence, its z and, for an anomaly, the window's mean,
    sigma and number of samples. Brings `series` up to date, and counts windows, repeated and late ones in `found`."""
    judged: list[Judged] = []
    keep = judged.append
    samples: dict[WindowKey, list[int]] = {}
    for change in changes:
        _, offer_id, _, new, _, _, gpu_type, _, _, _, _, at_ms, mark = change
        one = series[offer_id]
        prices, seen = one._prices, one._seen
        count = len(prices)
        if at_ms > one.last_ms:
            one.last_ms = at_ms
            one.sequence = sequence = at_ms if at_ms > one.sequence else one.sequence + 1
        elif mark in seen or (count == WINDOW and mark < min(seen)):
            found.repeated += 1
            continue
        elif at_ms == one.last_ms:
            one.sequence = sequence = one.sequence + 1
        else:
            sequence = at_ms
        total = one.total
        if count < LEAST:
            keep((change, sequence, None, None))
        else:
            # n(n-1) times the variance is an integer, and so is n times the distance from the mean.
            sigma = sqrt((count * one.squares - total * total) / _PAIRS[count])
            if sigma < total * _FLOORS[count] or sigma < 1.0:
                sigma = max(total * _FLOORS[count], 1.0)
            z_score = (count * new - total) / (count * sigma)
            usual = -MOST_SIGMAS <= z_score <= MOST_SIGMAS
            keep((change, sequence, z_score, None if usual else (total / count, sigma, count)))
        if count == WINDOW:
            head = one.head
            oldest = prices[head]
            prices[head] = new
            seen[head] = mark
            one.head = head + 1 if head + 1 < WINDOW else 0
            one.total = total + new - oldest
            one.squares += (new - oldest) * (new + oldest)
        else:
            prices.append(new)
            seen.append(mark)
            one.total = total + new
            one.squares += new * new
        try:
            samples[gpu_type, at_ms].append(new)
        except KeyError:
            samples[gpu_type, at_ms] = [new]
    for (gpu_type, at_ms), told in samples.items():
        minute = at_ms - at_ms % MINUTE_MS
        if minute + MINUTE_MS + LATENESS_MS <= now_ms:
            found.too_late += len(told)
            continue
        window = found.windows.setdefault((gpu_type, minute), [0, 0, told[0], told[0]])
        window[:] = [window[0] + len(told), window[1] + sum(told), min(window[2], *told), max(window[3], *told)]
    return judged
