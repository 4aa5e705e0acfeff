"""One beat: every provider whose circuit allows it is asked, side by side, and each answer is brought into its part as
it arrives, so that a beat ends little after the slowest of them.

A provider's trouble is its own: its last good offers stay, its state says why they age. Trouble of ours with one part
(the table throttles, say) does not keep the others from being written; it is raised at the end, and the next beat
tries again.

One beat at a time: a second one that begins meanwhile asks nobody and says that it was overtaken. The lease is not
given back after a beat that succeeded (that would be a second write, and whoever comes within seconds of it would
find nothing newer); after one that failed it is, so that the workflow's next try works.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from gpubroker.kernel.time import Clock
from gpubroker.offers import snapshot, store
from gpubroker.offers.breaker_settings import settings_of
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.providers.registry import KEYLESS, Outcome
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.snapshot import Answer
from gpubroker.offers.state import PRICE_TTL_S, PartState
from gpubroker.offers.unknown import UnknownNames
from gpubroker.resilience import breaker
from gpubroker.resilience.balancer import Turn, weight_after
from gpubroker.resilience.lease import Lease
from gpubroker.storage.transaction import StaleVersion

log = logging.getLogger(__name__)

LEASE_S = 15.0
"""A box of time and what writing takes, with a margin; less than the 20 s between two beats."""

REST_S = 300.0
"""The longest that a provider's Retry-After is believed."""

NOT_ITS_FAILING = frozenset({"BadCredentials", "QuotaExceeded", "NoCapacity"})
"""Errors of a provider that works. RateLimited counts: to be left alone for a while is just what it asks for."""


class SyncIncomplete(Exception):
    """Some parts could not be written; the others were."""


class Fetches(Protocol):
    """providers.registry.Fetcher."""

    def fetch_all(
        self,
        *,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str],
        usual: Mapping[str, float],
        take: Callable[[Outcome], None],
    ) -> object: ...


@dataclass(slots=True)
class Summary:
    """What a beat did, for its metrics.

    before     the states that it found, states those that it left
    stood_back whether another beat was under way, and this one did nothing
    names      GPUs and places that no table of ours has
    """

    before: dict[str, PartState] = field(default_factory=dict)
    states: dict[str, PartState] = field(default_factory=dict)
    stood_back: bool = False
    hedged: int = 0
    asked: int = 0
    buckets_changed: int = 0
    prices_changed: int = 0
    overtaken: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    names: UnknownNames = field(default_factory=UnknownNames)
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
            **self.names.told(),
        }

    def metrics(self, now: float, ttl_s: float = PRICE_TTL_S) -> dict[str, float]:
        """By CloudWatch name. Ages are of parts that were good once: a provider without a key has none."""
        if self.stood_back:
            return {"SyncsOvertaken": 1}
        ages = [age for state in self.states.values() if (age := state.age_s(now)) is not None]
        return {
            "OldestPartAge": max(ages, default=0.0),
            "HealthyPartAge": max(self._healthy_ages(now), default=0.0),
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
            "FlappingProviders": sum(state.flapping(now) for state in self.states.values()),
            "HedgedCalls": self.hedged,
            "SyncSeconds": self.seconds,
            **self.names.metrics(),
        }

    def _healthy_ages(self, now: float) -> list[float]:
        """How old the offers of each healthy provider had become when this beat renewed them, or are if it did not:
        the freshness that readers were given (checklist 172), and not the moment after a renewal."""
        ages = []
        for slug, was in self.before.items():
            if was.healthy and was.fetched_at is not None:
                renewed = self.states[slug].fetched_at if self.states[slug].healthy else None
                ages.append((renewed if renewed and renewed > was.fetched_at else now) - was.fetched_at)
        return ages


def beat(
    fetcher: Fetches,
    keys: Mapping[str, Any],
    *,
    clock: Callable[[], float] = time.time,
    slugs: tuple[str, ...] = SLUGS,
    turn: Turn[str] | None = None,
) -> Summary:
    """Ask and write once. Raises SyncIncomplete after everything else was done.

    turn: whose turn it is, kept by a process from beat to beat; a new one begins with the heaviest.
    """
    lease = Lease(store.PartItem._get_connection, "SYNC", LEASE_S, clock=clock)
    if not lease.take():
        return Summary(stood_back=True, overtaken=list(slugs))
    try:
        return _beat(fetcher, keys, clock, slugs, turn or Turn())
    except BaseException:
        lease.give_back()
        raise


def _beat(
    fetcher: Fetches, keys: Mapping[str, Any], clock: Callable[[], float], slugs: tuple[str, ...], turn: Turn[str]
) -> Summary:
    begun = time.perf_counter()
    summary = Summary()
    found, stored = store.heads_of(slugs)
    before = summary.before = {slug: PartState(provider=slug) for slug in slugs} | found
    settings = {slug: settings_of(stored, slug) for slug in slugs}
    held = _readable(keys)
    circuits: dict[str, breaker.Breaker] = {}
    permits: dict[str, breaker.Permit] = {}
    for slug in slugs:
        circuits[slug] = breaker.of_map(before[slug].breaker)
        if clock() < before[slug].rest_until <= clock() + REST_S:
            continue  # as it asked
        circuits[slug], permit = breaker.admit(circuits[slug], clock(), settings[slug])
        if permit is not None:
            permits[slug] = permit
    summary.asked = len(permits)
    order = tuple(slug for slug in _order(turn, before) if slug in permits)
    usual = {slug: state.took_s for slug, state in before.items() if state.healthy and state.took_s}

    def take(slug: str, outcome: Outcome | None) -> None:
        """Bring what came of one provider into its part; its trouble is told at the end."""
        now, circuit = clock(), circuits[slug]
        if outcome is not None:
            summary.hedged += outcome.hedges
            if slug in held or slug in KEYLESS:
                circuit = breaker.record(circuit, permits[slug], _works(outcome), now, settings[slug])
            else:  # nobody was asked, so nothing was learnt of the provider
                circuit = breaker.release(circuit, permits[slug])
        answer = _answer(slug, outcome, circuit, now, before[slug].weight)
        try:
            summary.names.note(answer.offers or ())
            result = snapshot.take(before[slug], answer)
            summary.states[slug] = result.state
            summary.buckets_changed += result.buckets_changed
            summary.prices_changed += result.prices_changed
        except StaleVersion:
            summary.overtaken.append(slug)
            summary.states[slug] = before[slug]
        except Exception as error:  # this part's trouble; reported below, once the others are safe
            log.exception("part not written", extra={"provider": slug})
            summary.failed[slug] = type(error).__name__
            summary.states[slug] = before[slug]

    if permits:
        fetcher.fetch_all(
            keys=held,
            now=lambda: _moment(clock()),
            slugs=order,
            usual=usual,
            take=lambda outcome: take(outcome.provider, outcome),
        )
    for slug in slugs:
        if slug not in permits:
            take(slug, None)
    summary.seconds = time.perf_counter() - begun
    if summary.failed:
        raise SyncIncomplete(", ".join(f"{slug}: {name}" for slug, name in summary.failed.items()))
    return summary


def _order(turn: Turn[str], states: Mapping[str, PartState]) -> Iterator[str]:
    """By weighted round robin; who failed last time after those who did not, so that he keeps nobody waiting."""
    sick = {slug for slug, state in states.items() if not state.healthy and state.outcome != "never"}
    return turn.round({slug: state.weight for slug, state in states.items()}, sick)


def _works(outcome: Outcome) -> bool:
    """Whether the provider does what it should, as its circuit sees it. Rows of which none can be read are garbage."""
    if outcome.offers is not None:
        return bool(outcome.offers) or not outcome.skipped
    return outcome.error in NOT_ITS_FAILING


def _answer(slug: str, outcome: Outcome | None, circuit: breaker.Breaker, now: float, weight: float) -> Answer:
    seen: dict[str, Any] = {"breaker": breaker.to_map(circuit), "circuit": breaker.phase_at(circuit, now).value}
    if outcome is None:
        return Answer(slug, now, weight=weight, skipped=True, **seen)
    seen["weight"] = weight_after(weight, outcome.duration, answered=outcome.ok)
    if outcome.offers is None:
        rest_until = now + min(outcome.retry_after, REST_S) if outcome.retry_after else 0.0
        return Answer(
            slug,
            now,
            outcome.duration,
            error=outcome.error,
            detail=outcome.detail[:200],
            rest_until=rest_until,
            **seen,
        )
    return Answer(
        slug,
        outcome.fetched_at.timestamp(),
        outcome.duration,
        list(outcome.offers),
        sum(outcome.skipped.values()),
        **seen,
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
