"""Early refresh (R2.4, R2.5): a reader asks for a new snapshot a little before the old one expires, without waiting.

Who touches Redis stands inside the VPC and cannot call a provider or a Lambda: the wish is an item in the table, and
its stream record wakes the sync. XFetch decides who asks (resilience/early_expiry.py), with the measured time of a
sync as its delta; the item's condition sees to it that all together ask at most once in `EVERY_S`.
While the schedule works (every 20 s against 60 s of TTL) nobody ever asks.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from gpubroker.offers.state import PRICE_TTL_S, PartState
from gpubroker.resilience import early_expiry

log = logging.getLogger(__name__)

EVERY_S = 10.0
_LEAST_DELTA_S = 0.1


def in_background(job: Callable[[], None]) -> None:
    """Run beside the request. A function that is frozen meanwhile goes on when it is thawed."""
    threading.Thread(target=job, name="refresh", daemon=True).start()


class Wish:
    """Asks for a refresh when one is due.

    ask    leaves the wish in the table: (now, at most every so many seconds)
    start  runs a job without waiting for it
    u      a draw from (0, 1] for XFetch; None draws at random
    """

    def __init__(
        self,
        ask: Callable[[float, float], object],
        *,
        start: Callable[[Callable[[], None]], None] = in_background,
        ttl_s: float = PRICE_TTL_S,
        every_s: float = EVERY_S,
        u: Callable[[], float] | None = None,
    ) -> None:
        self._ask, self._start, self._ttl_s, self._every_s, self._u = ask, start, ttl_s, every_s, u
        self._not_before = 0.0

    def __call__(self, states: Mapping[str, PartState], now: float) -> None:
        if now < self._not_before or not self._due(states, now):
            return
        self._not_before = now + self._every_s
        self._start(lambda: self._leave(now))

    def _due(self, states: Mapping[str, PartState], now: float) -> bool:
        if not states:
            return True
        # The last attempt counts, not the last success: asking again sooner does not heal a provider.
        last = max(state.checked_at for state in states.values())
        delta = max(_LEAST_DELTA_S, *(state.took_s for state in states.values()))
        return early_expiry.due(now, last + self._ttl_s, delta, u=self._u() if self._u else None)

    def _leave(self, now: float) -> None:
        try:
            self._ask(now, self._every_s)
        except Exception as error:  # beside a request that is served already: said, and tried again in EVERY_S
            log.warning("a refresh could not be asked for: %r", error)


def ask_the_table(now: float, every_s: float) -> bool:
    """Imported late: a warm list path never needs the SDK."""
    from gpubroker.offers import store

    return store.ask_for_refresh(now, every_s)


def grant(records: list[dict[str, Any]], start_sync: Callable[[], None]) -> None:
    """Start one sync when a batch of the table's stream holds a wish. It never costs the batch: readers ask again."""
    if not any(record["dynamodb"].get("Keys", {}).get("pk", {}).get("S") == "REFRESH" for record in records):
        return
    try:
        start_sync()
    except Exception as error:
        log.warning("a wish for a refresh was not granted: %r", error)
