"""Once an hour: is what is stored what the states say? What is wrong is put right, what is no longer ours dropped.

The sync writes only what changed, by comparing with the digests in a part's state. So it never looks at a bucket that
the state believes to be good, and what got wrong otherwise (a bucket that was lost, put back from a backup, or written
by another version of this house while its provider is away) would stay wrong. Here each bucket is read and checked:

    missing      the state names it, nothing is there           lost, until the provider has answered
    torn         it has another version or digest than named    rewritten from its records
    unreadable   its listing is broken or of another FORMAT     rewritten from its records, or lost with them
    orphaned     nothing names it                               removed

A part of which offers were lost, or whose last answers were too short to be believed (snapshot.suspicious), has its
provider asked at once. A short answer is believed here if a second one, right after it, names the same offers.
"""

import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpubroker.offers import catalogue, parts, snapshot, store
from gpubroker.offers.catalogue import StoredPart
from gpubroker.offers.offer import Offer
from gpubroker.offers.parts import UnknownFormat
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.snapshot import Answer
from gpubroker.offers.state import Bucket, PartState
from gpubroker.offers.store import PartItem
from gpubroker.resilience import breaker
from gpubroker.storage.transaction import StaleVersion

log = logging.getLogger(__name__)

TRIES = 4
"""A sync writes each part every 20 s; who is overtaken so often has something else to fear."""

_BROKEN = (LookupError, TypeError, ValueError, AttributeError, zlib.error, UnknownFormat)

Ask = Callable[[], Outcome]


@dataclass(slots=True)
class Report:
    """What was found and done at one provider; names of buckets.

    asked   what asking the provider came to: no (there was no need), ok, confirmed, suspect, overtaken, or the error
    dropped items of a part that nobody fills any more
    """

    provider: str
    buckets: int = 0
    missing: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    asked: str = "no"
    dropped: int = 0

    @property
    def wrong(self) -> list[str]:
        return sorted({*self.missing, *self.torn, *self.unreadable, *self.orphaned})

    def metrics(self) -> dict[str, int]:
        """By CloudWatch name; one of them for each provider and hour."""
        return {
            "BucketsChecked": self.buckets,
            "BucketsRepaired": len(self.wrong),
            "BucketsLost": len(self.lost),
            "ItemsDropped": self.dropped,
        }

    def told(self) -> dict[str, Any]:
        """For the workflow's record."""
        return {"provider": self.provider, "asked": self.asked, "wrong": self.wrong} | self.metrics()


def providers(current: tuple[str, ...] = SLUGS) -> list[str]:
    """All whose parts are to be looked at: today's, and former ones of which something may be left."""
    return sorted(catalogue.remembered(current))


def reconcile(provider: str, ask: Ask, now: float, *, current: tuple[str, ...] = SLUGS) -> Report:
    """Put one provider's part right. `ask` asks the provider itself, and is only called if need be.

    Safe to repeat from any point. Raises StaleVersion when syncs were first every time; they have then written all.
    """
    if provider not in current:
        return Report(provider, dropped=catalogue.drop(provider))
    for attempt in range(TRIES):
        part = catalogue.stored_part(provider)
        report, buckets = examined(provider, part)
        try:
            state = _repaired(part, report, buckets)
            break
        except StaleVersion:  # a sync wrote between our reading and our writing: perhaps nothing is wrong any more
            if attempt == TRIES - 1:
                raise
    if report.wrong:
        log.warning("catalogue repaired", extra={"provider": provider, "found": report.told()})
    if report.lost or state.outcome == "suspect":
        report.asked = _asked(state, ask, now)
    return report


def examined(provider: str, part: StoredPart) -> tuple[Report, dict[str, list[Offer]]]:
    """What is wrong with a part, and what the wrong buckets should hold (nothing: they are to go). Pure."""
    state = part.state or PartState(provider=provider)
    report = Report(provider, buckets=len(part.buckets))
    repaired: dict[str, list[Offer]] = {}
    for name in sorted({*state.buckets, *part.buckets}):
        item, named = part.buckets.get(name), state.buckets.get(name)
        if named is None:
            report.orphaned.append(name)
            repaired[name] = []
        elif item is None:
            report.missing.append(name)
            report.lost.append(name)
            repaired[name] = []
        elif found := _fault(item, named):
            getattr(report, found).append(name)
            repaired[name] = _offers_of(item, state.fetched_at or 0.0)
            if not repaired[name]:
                report.lost.append(name)
    return report, repaired


def _fault(item: PartItem, named: Bucket) -> str | None:
    """`unreadable`, `torn`, or None for a bucket that is what the state says."""
    try:
        raw = zlib.decompress(item.records)
        listing = parts.decode_listing(item.listing)
        listed = list(listing.columns.offer_id)
    except _BROKEN:
        return "unreadable"
    if item.version != named.version or parts.digest(raw) != named.digest or len(listing.fragments) != len(listed):
        return "torn"
    return None


def _offers_of(item: PartItem, fetched_at: float) -> list[Offer]:
    """The offers of a bucket's records; none when these cannot be read either."""
    try:
        return parts.decode_records(item.records, fetched_at)
    except _BROKEN:
        return []


def _repaired(part: StoredPart, report: Report, buckets: dict[str, list[Offer]]) -> PartState:
    """Write what differs, on condition that nobody wrote since; the state that is then stored."""
    state = part.state
    if state is None:
        state = PartState(provider=report.provider)
        if buckets:  # nothing but orphans, and no state to write them with
            catalogue.drop_orphans(report.provider, buckets)
        return state
    if not buckets:
        return state
    kept = sum(_size_of(item) for name, item in part.buckets.items() if name in state.buckets and name not in buckets)
    after = state.next(offers=kept + sum(len(offers) for offers in buckets.values()))
    return store.save_part(state, after, buckets, lambda names: [])


def _size_of(item: PartItem) -> int:
    return len(parts.decode_listing(item.listing).columns.offer_id)


def _asked(before: PartState, ask: Ask, now: float) -> str:
    """Ask the provider and bring its answer in. A failure is the sync's to tell; the next beat asks again."""
    circuit = breaker.of_map(before.breaker)
    if now < before.rest_until or breaker.phase_at(circuit, now) is not breaker.Phase.CLOSED:
        return "left alone"
    outcome = ask()
    if outcome.offers is None:
        return outcome.error or "failed"
    short = snapshot.suspicious(before, len(outcome.offers))
    confirmed = short and _ids(ask()) == _ids(outcome)
    answer = Answer(
        before.provider,
        outcome.fetched_at.timestamp(),
        outcome.duration,
        list(outcome.offers),
        sum(outcome.skipped.values()),
        breaker=before.breaker,
        circuit=before.circuit,
        weight=before.weight,
        confirmed=confirmed,
    )
    try:
        after = snapshot.take(before, answer).state
    except StaleVersion:
        return "overtaken"
    return "confirmed" if confirmed else after.error or after.outcome


def _ids(outcome: Outcome) -> set[str] | None:
    return None if outcome.offers is None else {offer.offer_id for offer in outcome.offers}
