"""What prices tell the bus (events/prices/): findings of the stream, at most a hundred to an event."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.prices.detector import Findings, Update

SOURCE = "prices"
MOST = 100


def facts_of(found: Findings, subject: str) -> Iterator[Event]:
    """The events of a batch's findings; `subject` is the stream's partition."""
    yield from _in_parts("PricesUpdated", "updates", found.updates, subject)
    yield from _in_parts("PriceChangesDetected", "changes", found.changes, subject)
    yield from _in_parts("PriceAnomaliesDetected", "anomalies", found.anomalies, subject)


def averages(windows: Iterable[dict[str, Any]], subject: str) -> Iterator[Event]:
    yield from _in_parts("PricesAveraged", "windows", list(windows), subject)


def _in_parts(kind: str, name: str, told: Sequence[Update], subject: str) -> Iterator[Event]:
    for start in range(0, len(told), MOST):
        yield Event(kind, subject, {name: list(told[start : start + MOST])})
