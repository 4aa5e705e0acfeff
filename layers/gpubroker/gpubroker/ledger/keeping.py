"""What all operations of the book stand on: the clock, the store's transaction, and trying again."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import Clock, iso, parse_iso, utc_now
from gpubroker.ledger.items import AccountItem
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

T = TypeVar("T")

_RACE = Backoff(base_s=0.01, cap_s=0.5, tries=12)


class Keeping:
    """All amounts are micro-dollars. `clock` gives the moments of postings and decides whether a hold has expired."""

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock, self._sleep, self._uniform = clock, sleep, uniform

    def _transaction(self) -> AbstractContextManager[Writes]:
        return transaction(AccountItem, backoff=PATIENT)

    def _now(self) -> datetime:
        """The present to the millisecond, as it is kept."""
        return parse_iso(iso(self._clock()))

    def _racing(self, once: Callable[[], T]) -> T:
        """Again with a fresh read while others are first."""
        for attempt in range(_RACE.tries):
            try:
                return once()
            except StaleVersion:
                self._sleep(_RACE.wait(attempt, self._uniform))
        raise Unavailable("This changes too fast; try again.", retry_after=1)
