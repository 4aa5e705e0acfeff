"""From a batch of price changes to the alerts that they may fire, and to the workflow that fires them.

The cost is that of what fires: three ranges of the index a change at most (joined over a batch), and nothing at all
when prices rise. What an entry says is only whose alert it is; the alert itself is read, and decides, when it is fired.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from gpubroker.kernel.ids import new_id
from gpubroker.prices.alerts.alert import Change
from gpubroker.prices.alerts.index import Range, partitions_asked, questions, threshold_of
from gpubroker.prices.alerts.repository import Alerts
from gpubroker.prices.alerts.workflow import FEW, FEW_PER_STEP, MANY_PER_STEP

Update = Mapping[str, Any]
Hit = tuple[str, str, int]
"""tenant, alert id, and the number of the change that is to fire it."""


class Starter(Protocol):
    def start(self, name: str, wanted: dict[str, Any]) -> bool:
        """Start the workflow under a name; False when one of that name was started before."""
        ...


class Matcher:
    def __init__(self, *, alerts: Alerts, workflows: Starter, new_fan_out: Callable[[], str] = lambda: new_id("fan")):
        self._alerts, self._workflows, self._new_fan_out = alerts, workflows, new_fan_out

    def on_prices_updated(self, detail: Mapping[str, Any]) -> int:
        """Start what the changes of one PricesUpdated ask for, once. Gives how many alerts are to be fired.

        The workflow is named after the event. Pages are written under a name of their own before it starts, so an
        attempt that dies in between leaves pages that nobody reads, and never pages that a running workflow reads.
        """
        updates: Sequence[Update] = detail["updates"]
        hits = self.hits([Change.of(update) for update in updates])
        if not hits:
            return 0
        told = {"traceparent": detail.get("traceparent") or "", "correlation_id": detail.get("correlation_id") or ""}
        if len(hits) <= FEW:
            wanted: dict[str, Any] = {"fan_out": "few", "pages": list(_pages(hits, updates, FEW_PER_STEP))}
        else:
            fan_out = self._new_fan_out()
            count = self._alerts.keep_pages(fan_out, _pages(hits, updates, MANY_PER_STEP))
            wanted = {"fan_out": "many", "fan_out_id": fan_out, "pages": list(range(count))}
        self._workflows.start(detail["event_id"], wanted | told)
        return len(hits)

    def hits(self, changes: Sequence[Change]) -> list[Hit]:
        """Each alert whose threshold a change crosses, with the change to the lowest price that does: one moment of the
        market tells an alert of one offer, the best."""
        best_first = sorted(range(len(changes)), key=lambda n: (changes[n].quote.price_micros, -changes[n].sequence, n))
        asking: dict[str, list[int]] = {}
        for number in best_first:
            for partition in partitions_asked(changes[number]):
                asking.setdefault(partition, []).append(number)
        found: dict[tuple[str, str], int] = {}
        rank = {number: place for place, number in enumerate(best_first)}
        for wanted in questions(changes):
            for tenant, alert_id, number in self._found(wanted, asking[wanted.partition], changes):
                known = found.get((tenant, alert_id))
                if known is None or rank[number] < rank[known]:
                    found[tenant, alert_id] = number
        return [(tenant, alert_id, number) for (tenant, alert_id), number in found.items()]

    def _found(self, wanted: Range, asking: Sequence[int], changes: Sequence[Change]) -> Iterator[Hit]:
        for entry, tenant in self._alerts.watching(wanted):
            threshold, alert_id = threshold_of(entry)
            crossing = (number for number in asking if changes[number].crosses(threshold))
            # Ranges are joined only where they touch, so some change crosses every threshold in them.
            yield tenant, alert_id, next(crossing)


def _pages(hits: Sequence[Hit], updates: Sequence[Update], size: int) -> Iterator[dict[str, Any]]:
    """Pages of so many alerts, each with the changes that it speaks of."""
    for start in range(0, len(hits), size):
        part = hits[start : start + size]
        numbers = sorted({number for _, _, number in part})
        places = {number: place for place, number in enumerate(numbers)}
        yield {
            "changes": [updates[number] for number in numbers],
            "alerts": [
                {"tenant": tenant, "alert_id": alert_id, "change": places[number]} for tenant, alert_id, number in part
            ],
        }
