"""Breakers that all processes share: one DynamoDB item for each, remembered by the process between calls.

    breakers = BreakerStore(RentalItem._get_connection)
    breakers.call("lambdalabs", lambda: api.create(order), failures=(ProviderUnavailable,))

A write carries the version that it was computed from; the loser of a race reads again and applies its outcome to what
it finds, where a result of an earlier phase counts for nothing. So of all processes one makes the trial call. Healthy
neighbours cost no writes (a ring of successes does not change) and a read each `memory_s`; an open breaker costs
neither until its pause is over. What memory costs: a process may go on calling for `memory_s` after another one
opened the breaker.

With DynamoDB away, each process goes on with the state that it remembers: a breaker must not be what breaks.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import GetError, PutError
from pynamodb.expressions.operand import Path

from gpubroker.kernel.errors import Unavailable
from gpubroker.resilience.backoff import Backoff
from gpubroker.resilience.breaker import (
    PROVIDERS,
    Breaker,
    BreakerSettings,
    Permit,
    Phase,
    admit,
    of_map,
    record,
    release,
    to_map,
)
from gpubroker.storage.refusals import lost_condition

logger = logging.getLogger(__name__)
T = TypeVar("T")

_RACES = Backoff(base_s=0.02, cap_s=0.5, tries=6)


class CircuitOpen(Unavailable):
    """The other side failed too often to be called now; `retry_after` says when a trial is due."""

    code = "circuit-open"
    title = "A system behind this one is failing and is left alone for a while"


class _Known(NamedTuple):
    breaker: Breaker
    version: int  # of the stored item; 0 when there is none
    read_at: float


class BreakerStore:
    """Shared breakers by name.

    connection  gives the table (a model's `_get_connection`); items are pk `BREAKER#<name>`, sk `STATE`
    memory_s    how long what was read is believed, in seconds
    clock       epoch seconds
    """

    def __init__(
        self,
        connection: Callable[[], TableConnection],
        *,
        settings: BreakerSettings = PROVIDERS,
        memory_s: float = 2.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._memory_s = memory_s
        self._clock = clock
        self._sleep = sleep
        self._known: dict[str, _Known] = {}

    def call(self, name: str, function: Callable[[], T], *, failures: tuple[type[Exception], ...] = (Exception,)) -> T:
        """`function()`, if the breaker lets it through; else CircuitOpen.

        An exception of `failures` counts as a failure; any other (the order was wrong, not the system) as a success.
        """
        permit = self.admit(name)
        if permit is None:
            wait = max(0.0, self.breaker(name).until - self._clock())
            raise CircuitOpen(f"{name} is failing.", retry_after=wait)
        try:
            result = function()
        except Exception as error:
            self.report(name, permit, not isinstance(error, failures))
            raise
        except BaseException:  # interrupted: nothing was learnt of the other side
            self._apply(name, lambda breaker, now: release(breaker, permit))
            raise
        self.report(name, permit, True)
        return result

    def admit(self, name: str) -> Permit | None:
        """Leave to make a call, or None. Whoever has it reports the outcome."""
        granted: list[Permit | None] = []

        def ask(breaker: Breaker, now: float) -> Breaker:
            admission = admit(breaker, now, self._settings)
            granted.append(admission.permit)
            return admission.breaker

        self._apply(name, ask)
        return granted[-1]

    def report(self, name: str, permit: Permit, succeeded: bool) -> Breaker:
        """Note a call's outcome; the state that it led to."""
        return self._apply(name, lambda breaker, now: record(breaker, permit, succeeded, now, self._settings))

    def breaker(self, name: str) -> Breaker:
        """The state, at most `memory_s` old."""
        return self._apply(name, lambda breaker, now: breaker)

    def _apply(self, name: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        """Read (or remember), change, store if that changed anything; again from the start when another was first."""
        for attempt in range(_RACES.tries):
            known = self._remembered(name) if attempt == 0 else None
            try:
                known = known or self._read(name)
                changed = change(known.breaker, self._clock())
                if changed is known.breaker:
                    return changed
                if self._write(name, changed, known.version):
                    if changed.phase is not known.breaker.phase:
                        logger.warning("breaker %s is %s, was %s", name, changed.phase, known.breaker.phase)
                    return changed
            except (GetError, PutError, BotoCoreError) as error:
                logger.warning(
                    "breaker %s: the shared state is away (%r), going on with this process's own", name, error
                )
                return self._alone(name, change)
            self._sleep(_RACES.wait(attempt, random.uniform))
        logger.warning("breaker %s: lost %d races, going on with this process's own state", name, _RACES.tries)
        return self._alone(name, change)

    def _alone(self, name: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        known = self._known.get(name) or _Known(Breaker(), 0, 0.0)
        changed = change(known.breaker, self._clock())
        self._known[name] = _Known(changed, known.version, self._clock())
        return changed

    def _remembered(self, name: str) -> _Known | None:
        known, now = self._known.get(name), self._clock()
        if known is None:
            return None
        paused = known.breaker.phase is Phase.OPEN and now < known.breaker.until
        return known if paused or now - known.read_at < self._memory_s else None

    def _read(self, name: str) -> _Known:
        answer = self._connection().get_item(_key(name), "STATE", consistent_read=True)
        item = answer.get("Item")
        known = _Known(Breaker(), 0, self._clock())
        if item:
            known = _Known(of_map(_plain(item["breaker"]["M"])), int(item["version"]["N"]), known.read_at)
        self._known[name] = known
        return known

    def _write(self, name: str, breaker: Breaker, version: int) -> bool:
        """Whether the item was still at `version`, and now holds this."""
        unchanged = Path("version") == version if version else Path("pk").does_not_exist()
        attributes = {"version": {"N": str(version + 1)}, "breaker": {"M": _typed(to_map(breaker))}}
        try:
            self._connection().put_item(_key(name), "STATE", attributes=attributes, condition=unchanged)
        except PutError as error:
            if lost_condition(error):
                return False
            raise
        self._known[name] = _Known(breaker, version + 1, self._clock())
        return True


def _key(name: str) -> str:
    return f"BREAKER#{name}"


def _typed(state: dict[str, str | int]) -> dict[str, dict[str, str]]:
    return {key: {"S": value} if isinstance(value, str) else {"N": str(value)} for key, value in state.items()}


def _plain(state: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {key: next(iter(value.values())) for key, value in state.items()}
