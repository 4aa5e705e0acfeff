"""One beat: every provider whose circuit allows it is asked, side by side, and each answer is brought into its part.

A provider's trouble is its own: its last good offers stay, its state says why they age. Trouble of ours with one part
(the table throttles, say) does not keep the others from being written; it is raised at the end, and the next beat
tries again.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from gpubroker.kernel.time import Clock
from gpubroker.offers import snapshot, store
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.parts import PartTooLarge
from gpubroker.offers.providers.registry import KEYLESS, Outcome
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.snapshot import Answer, Result
from gpubroker.offers.state import PRICE_TTL_S, PartState
from gpubroker.resilience import breaker
from gpubroker.storage.transaction import StaleVersion

log = logging.getLogger(__name__)


class SyncIncomplete(Exception):
    """Some parts could not be written; the others were."""


class Fetches(Protocol):
    """providers.registry.Fetcher."""

    def fetch_all(self, *, keys: Mapping[str, Any], now: Clock, slugs: Any = None) -> dict[str, Outcome]: ...


@dataclass(slots=True)
class Summary:
    """What a beat did, for its metrics."""

    states: dict[str, PartState] = field(default_factory=dict)
    asked: int = 0
    buckets_changed: int = 0
    prices_changed: int = 0
    overtaken: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        """For the workflow's record: nothing secret, nothing long."""
        return {
            "asked": self.asked,
            "outcomes": {slug: state.outcome for slug, state in self.states.items()},
            "offers": sum(state.offers for state in self.states.values()),
            "buckets_changed": self.buckets_changed,
            "prices_changed": self.prices_changed,
            "overtaken": self.overtaken,
            "seconds": round(self.seconds, 3),
        }

    def metrics(self, now: float, ttl_s: float = PRICE_TTL_S) -> dict[str, float]:
        """By CloudWatch name. Ages are of parts that were good once: a provider without a key has none."""
        ages = [age for state in self.states.values() if (age := state.age_s(now)) is not None]
        return {
            "OldestPartAge": max(ages, default=0.0),
            "StaleParts": sum(
                state.fetched_at is not None and state.stale(now, ttl_s) for state in self.states.values()
            ),
            "HealthyProviders": sum(state.healthy for state in self.states.values()),
            "CircuitsClosed": sum(state.circuit == "closed" for state in self.states.values()),
            "CircuitsOpen": sum(state.circuit == "open" for state in self.states.values()),
            "CircuitsHalfOpen": sum(state.circuit == "half_open" for state in self.states.values()),
            "Offers": sum(state.offers for state in self.states.values()),
            "BucketsChanged": self.buckets_changed,
            "PricesChanged": self.prices_changed,
            "SyncSeconds": self.seconds,
        }


def beat(
    fetcher: Fetches,
    keys: Mapping[str, Any],
    *,
    clock: Callable[[], float] = time.time,
    slugs: tuple[str, ...] = SLUGS,
) -> Summary:
    """Ask and write once. Raises SyncIncomplete after everything else was done."""
    begun = time.perf_counter()
    summary = Summary()
    before = {slug: PartState(provider=slug) for slug in slugs} | store.states_of(slugs)
    held = _readable(keys)
    circuits: dict[str, breaker.Breaker] = {}
    permits: dict[str, breaker.Permit] = {}
    for slug in slugs:
        circuits[slug], permit = breaker.admit(breaker.of_map(before[slug].breaker), clock())
        if permit is not None:
            permits[slug] = permit
    summary.asked = len(permits)
    outcomes = fetcher.fetch_all(keys=held, now=lambda: _moment(clock()), slugs=tuple(permits)) if permits else {}
    for slug in slugs:
        now = clock()
        circuit = circuits[slug]
        outcome = outcomes.get(slug)
        if outcome is not None:
            if slug in held or slug in KEYLESS:
                circuit = breaker.record(circuit, permits[slug], outcome.ok, now)
            else:  # nobody was asked, so nothing was learnt of the provider
                circuit = breaker.release(circuit, permits[slug])
        answer = _answer(slug, outcome, circuit, now)
        try:
            summary.states[slug] = _taken(before[slug], answer, summary).state
        except StaleVersion:
            summary.overtaken.append(slug)
            summary.states[slug] = before[slug]
        except Exception as error:  # this part's trouble; reported below, once the others are safe
            log.exception("part not written", extra={"provider": slug})
            summary.failed[slug] = type(error).__name__
            summary.states[slug] = before[slug]
    summary.seconds = time.perf_counter() - begun
    if summary.failed:
        raise SyncIncomplete(", ".join(f"{slug}: {name}" for slug, name in summary.failed.items()))
    return summary


def _taken(before: PartState, answer: Answer, summary: Summary) -> Result:
    try:
        result = snapshot.take(before, answer)
    except PartTooLarge as error:
        refused = Answer(
            answer.provider,
            answer.at,
            error="PartTooLarge",
            detail=str(error),
            breaker=answer.breaker,
            circuit=answer.circuit,
        )
        result = snapshot.take(before, refused)
    summary.buckets_changed += result.buckets_changed
    summary.prices_changed += result.prices_changed
    return result


def _answer(slug: str, outcome: Outcome | None, circuit: breaker.Breaker, now: float) -> Answer:
    memory, phase = breaker.to_map(circuit), breaker.phase_at(circuit, now).value
    if outcome is None:
        return Answer(slug, now, breaker=memory, circuit=phase, skipped=True)
    if outcome.offers is None:
        return Answer(
            slug,
            now,
            outcome.duration,
            error=outcome.error,
            detail=outcome.detail[:200],
            breaker=memory,
            circuit=phase,
        )
    return Answer(
        slug,
        outcome.fetched_at.timestamp(),
        outcome.duration,
        list(outcome.offers),
        sum(outcome.skipped.values()),
        breaker=memory,
        circuit=phase,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _readable(keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys, or none when they cannot be read: providers that need none are asked all the same."""
    try:
        return dict(keys)
    except CredentialsUnavailable as error:
        log.warning("provider keys are away", extra={"error": str(error)})
        return {}
