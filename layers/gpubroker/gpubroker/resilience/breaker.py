"""A circuit breaker as rules without a clock, a lock or a store: state in, what happened, `now` in, state out.

The state is small and whole: it can stand in any item (`to_map`), be shared by conditional writes (`breaker_store`) or
be kept in a variable. Closed, it is a ring of the last calls' outcomes. It opens when the ring is full and more than
half of it failed (6 of 10; 5 of 10 stays closed) and lets nothing through for 30 s, then one trial: a success closes
it, a failure opens it for another 30 s (checklist 191-197, DESIGN §4). A result belongs to the generation of its
permit: one that comes late, from before the last change of phase, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker changes its mind.

    window         outcomes that are remembered
    minimum_calls  outcomes there must be before a rate is one
    threshold      the share of failures that must be exceeded, 0 to 1
    open_s         seconds during which nothing is let through
    trials         calls let through together when half open
    trial_s        seconds after which a trial that said nothing (its process died) makes room for another
    """

    window: int = 10
    minimum_calls: int = 10
    threshold: float = 0.5
    open_s: float = 30.0
    trials: int = 1
    trial_s: float = 30.0


PROVIDERS = BreakerSettings()
"""For calls to providers (R3)."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state.

    outcomes    oldest first, "1" a success and "0" a failure; only of this closed phase
    generation  counts the changes of phase
    until       epoch seconds: open until then; half open, the trials that are out count until then
    trials      trials that are out
    opened      how often it has opened, for metrics
    """

    phase: Phase = Phase.CLOSED
    outcomes: str = ""
    generation: int = 0
    until: float = 0.0
    trials: int = 0
    opened: int = 0


class Permit(NamedTuple):
    """Leave to make one call; to be given back with its outcome."""

    generation: int


class Admission(NamedTuple):
    """The state after asking, and the permit or None."""

    breaker: Breaker
    permit: Permit | None


def admit(breaker: Breaker, now: float, settings: BreakerSettings = PROVIDERS) -> Admission:
    """Whether a call may be made at `now` (epoch seconds). A closed breaker is returned as it is."""
    if breaker.phase is Phase.CLOSED:
        return Admission(breaker, Permit(breaker.generation))
    if now >= breaker.until:  # the pause is over, or the trials that were out never came back
        trial = _change(breaker, Phase.HALF_OPEN, until=now + settings.trial_s, trials=1)
        return Admission(trial, Permit(trial.generation))
    if breaker.phase is Phase.HALF_OPEN and breaker.trials < settings.trials:
        return Admission(replace(breaker, trials=breaker.trials + 1), Permit(breaker.generation))
    return Admission(breaker, None)


def record(
    breaker: Breaker, permit: Permit, succeeded: bool, now: float, settings: BreakerSettings = PROVIDERS
) -> Breaker:
    """The state after a call's outcome. The same object when nothing changed: then there is nothing to store."""
    if permit.generation != breaker.generation:
        return breaker
    if breaker.phase is Phase.HALF_OPEN:
        return _change(breaker, Phase.CLOSED) if succeeded else _opened(breaker, now, settings)
    if breaker.phase is Phase.OPEN:
        return breaker
    outcomes = (breaker.outcomes + ("1" if succeeded else "0"))[-settings.window :]
    if outcomes == breaker.outcomes:
        return breaker
    if failure_rate(outcomes, settings) > settings.threshold:
        return _opened(breaker, now, settings)
    return replace(breaker, outcomes=outcomes)


def release(breaker: Breaker, permit: Permit) -> Breaker:
    """Give back a permit that was not used: the call was not made, so it says nothing about the other side."""
    if permit.generation != breaker.generation or breaker.phase is not Phase.HALF_OPEN or not breaker.trials:
        return breaker
    return replace(breaker, trials=breaker.trials - 1)


def failure_rate(outcomes: str, settings: BreakerSettings = PROVIDERS) -> float:
    """Failures per call in the ring, 0 to 1; -1 below the minimum of calls."""
    if len(outcomes) < settings.minimum_calls:
        return -1.0
    return outcomes.count("0") / len(outcomes)


def phase_at(breaker: Breaker, now: float) -> Phase:
    """What to show: an open breaker whose pause is over is half open, though nobody has tried yet."""
    return Phase.HALF_OPEN if breaker.phase is Phase.OPEN and now >= breaker.until else breaker.phase


def to_map(breaker: Breaker) -> dict[str, str | int]:
    """The state as a small map of strings and whole numbers (`until` in milliseconds), for any item."""
    return {
        "phase": breaker.phase.value,
        "outcomes": breaker.outcomes,
        "generation": breaker.generation,
        "until_ms": round(breaker.until * 1000),
        "trials": breaker.trials,
        "opened": breaker.opened,
    }


def of_map(stored: Mapping[str, Any] | None) -> Breaker:
    """The state a map holds; a new breaker for None or an empty one."""
    if not stored:
        return Breaker()
    return Breaker(
        phase=Phase(stored["phase"]),
        outcomes=str(stored["outcomes"]),
        generation=int(stored["generation"]),
        until=int(stored["until_ms"]) / 1000,
        trials=int(stored["trials"]),
        opened=int(stored["opened"]),
    )


def _opened(breaker: Breaker, now: float, settings: BreakerSettings) -> Breaker:
    return _change(breaker, Phase.OPEN, until=now + settings.open_s, opened=breaker.opened + 1)


def _change(
    breaker: Breaker, phase: Phase, *, until: float = 0.0, trials: int = 0, opened: int | None = None
) -> Breaker:
    return Breaker(
        phase=phase,
        generation=breaker.generation + 1,
        until=until,
        trials=trials,
        opened=breaker.opened if opened is None else opened,
    )
