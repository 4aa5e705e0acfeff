"""From one provider's answer to the next state of its part: only what changed is written, each price change once.

An answer is not believed at once when it is less than half of what the provider had (and it had ten or more): an
outage that looks like a short list would otherwise empty the market and, when it heals, tell of thousands of new
offers. The part stays as it was, not yet older than its TTL, and the third such answer in a row is believed:
at a sync every 20 s a real clearance shows after 40 s. Nothing is interpolated, and the state says `suspect` meanwhile.
An answer of which no row can be read is not a clearance but a failure, however often it comes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.offers import parts, store
from gpubroker.offers.errors import UnknownAnswer
from gpubroker.offers.offer import Offer
from gpubroker.offers.parts import Members, PartTooLarge
from gpubroker.offers.state import PartState, transitions
from gpubroker.offers.store import Fact

UNLISTED = "unlisted"
FEW = 10
CONFIRMATIONS = 2
_CHANGES_PER_EVENT = 300  # about 350 bytes each; an outbox entry must stay well under 400 KB


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt at a provider brought: offers, or the class name and detail of what went wrong.

    at       epoch seconds when it ended
    took_s   how long it took
    left_out rows that could not be read
    weight   of the provider after it
    rest_until  epoch seconds until which the provider asked to be left alone; 0 when it did not
    confirmed  whether the provider was asked twice and said the same: believed however short it is
    """

    provider: str
    at: float
    took_s: float = 0.0
    offers: list[Offer] | None = None
    left_out: int = 0
    error: str | None = None
    detail: str | None = None
    breaker: dict[str, Any] = field(default_factory=dict)
    circuit: str = "closed"
    skipped: bool = False
    weight: float = 1.0
    rest_until: float = 0.0
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a sync did to one part: its state now, and how many buckets and prices changed."""

    state: PartState
    buckets_changed: int = 0
    prices_changed: int = 0


def take(before: PartState, answer: Answer) -> Result:
    """Bring an answer into the snapshot. Raises StaleVersion when another sync was first (its data is as fresh).

    Writes the state alone when no offer changed; else the changed buckets with it. An answer that could not be had,
    is not believed or is too large to be kept, changes the state only: the last good offers stay, and age.
    """
    answer = _readable(answer)
    common = {
        "checked_at": answer.at,
        "breaker": answer.breaker,
        "circuit": answer.circuit,
        "weight": answer.weight,
        "rest_until": before.rest_until if answer.skipped else answer.rest_until,
    }
    if answer.offers is None:
        after = before.next(
            **common,
            outcome="skipped" if answer.skipped else "failed",
            error=before.error if answer.skipped else answer.error,
            detail=before.detail if answer.skipped else answer.detail,
            failures=before.failures + (not answer.skipped),
            suspects=0,
        )
        return _heartbeat(before, after)
    if not answer.confirmed and suspicious(before, len(answer.offers)):
        after = before.next(
            **common, outcome="suspect", error=None, detail=None, failures=0, suspects=before.suspects + 1
        )
        return _heartbeat(before, after)
    good = before.next(
        **common,
        fetched_at=answer.at,
        took_s=answer.took_s,
        outcome="ok",
        error=None,
        detail=None,
        failures=0,
        suspects=0,
        left_out=answer.left_out,
        offers=len({offer.offer_id for offer in answer.offers}),
    )
    changed = changed_buckets(before, answer.offers)
    if not changed:
        return _heartbeat(before, good)
    try:
        return _rewritten(before, good, changed)
    except PartTooLarge as error:
        return take(before, _failed(answer, PartTooLarge, str(error)))


def _readable(answer: Answer) -> Answer:
    """The answer, as a failure where it has rows and none of them could be read."""
    if answer.offers is None or answer.offers or not answer.left_out:
        return answer
    return _failed(answer, UnknownAnswer, f"none of {answer.left_out} rows could be read")


def _failed(answer: Answer, error: type[Exception], detail: str) -> Answer:
    return replace(answer, offers=None, error=error.__name__, detail=detail)


def suspicious(before: PartState, offers: int) -> bool:
    """Whether an answer of so many offers is too small to be believed at once."""
    return before.offers >= FEW and offers * 2 < before.offers and before.suspects < CONFIRMATIONS


def changed_buckets(before: PartState, offers: Iterable[Offer]) -> dict[str, Members]:
    """The buckets that differ from the stored ones, with their offers now; an empty list for one that is gone."""
    now = parts.bucketed(offers)
    changed = {
        name: members
        for name, members in now.items()
        if name not in before.buckets or before.buckets[name].digest != parts.digest(members.records())
    }
    return changed | {name: Members() for name in before.buckets if name not in now}


def price_changes(
    old: Mapping[str, Offer | parts.Listed], new: Iterable[Offer], timestamp: str
) -> list[dict[str, Any]]:
    """The records of the price stream (checklist 321): offers that were there and cost something else now.

    Prices are USD per GPU-hour, as in alerts and filters, with their exact micro-USD and the whole machine's beside.
    An offer whose price was not told before, or is not told now, has no change of price.
    """
    return [
        {
            "provider": offer.provider,
            "offer_id": offer.offer_id,
            "old_price": usd(was),
            "new_price": usd(now),
            "timestamp": timestamp,
            "old_price_micros": was,
            "new_price_micros": now,
            "new_price_micros_per_hour": offer.price_micros_per_hour,
            "gpu_type": offer.gpu_model,
            "gpu_count": offer.gpu_count,
            "region": offer.region,
            "spot": offer.spot,
        }
        for offer in new
        if (before := old.get(offer.offer_id)) is not None
        and before.price_micros_per_hour != offer.price_micros_per_hour
        and (was := before.price_micros_per_gpu_hour) is not None
        and (now := offer.price_micros_per_gpu_hour) is not None
    ]


def availability_changes(old: Mapping[str, Offer | parts.Listed], new: Iterable[Offer]) -> list[dict[str, Any]]:
    """Offers that came, went, or are said to be otherwise available; `unlisted` is not on the market at all."""
    now = {offer.offer_id: offer for offer in new}
    changes = []
    for offer_id in sorted(old.keys() | now.keys()):
        was, is_now = old.get(offer_id), now.get(offer_id)
        told = is_now or was
        before = was.availability.value if was else UNLISTED
        after = is_now.availability.value if is_now else UNLISTED
        if told is not None and before != after:
            changes.append(
                {
                    "offer_id": offer_id,
                    "was": before,
                    "now": after,
                    "gpu_type": told.gpu_model,
                    "gpu_count": told.gpu_count,
                    "region": told.region,
                    "spot": told.spot,
                }
            )
    return changes


def health_changes(before: PartState, after: PartState) -> list[Fact]:
    """The events of a provider that fell ill or got well, or whose circuit opened or closed (checklist 322, R3.6)."""
    moment = datetime.fromtimestamp(after.checked_at, UTC)
    facts: list[tuple[str, dict[str, Any]]] = [
        (kind, {"was": before.circuit})
        if kind.startswith("circuit_")
        else (kind, {"error": after.error, "failures": after.failures, "offers": after.offers})
        for kind in transitions(before, after)
    ]
    return [
        Fact(
            Event(
                "ProviderHealthChanged",
                after.provider,
                {"provider": after.provider, "event_type": kind, "data": told, "timestamp": iso(moment)},
                occurred_at=moment,
            )
        )
        for kind, told in facts
    ]


def _heartbeat(before: PartState, after: PartState) -> Result:
    store.save_state(after, health_changes(before, after))
    return Result(after)


def _known_before(before: PartState, buckets: list[str]) -> dict[str, dict[str, parts.Listed]]:
    """The offers that these buckets held, by bucket and id; none of what another version of this house wrote."""
    if not buckets:
        return {}
    try:
        return store.listed_in(before.provider, buckets)
    except parts.UnknownFormat:
        return {}


def _rewritten(before: PartState, good: PartState, changed: Mapping[str, Members]) -> Result:
    moment = datetime.fromtimestamp(good.checked_at, UTC)
    known = [name for name in changed if name in before.buckets]
    old = _known_before(before, known)
    counted = 0

    def facts(names: set[str]) -> list[Fact]:
        nonlocal counted
        made = []
        was = {offer_id: offer for name in names for offer_id, offer in old.get(name, {}).items()}
        changes = price_changes(was, (offer for name in sorted(names) for offer in changed[name]), iso(moment))
        counted += len(changes)
        for start in range(0, len(changes), _CHANGES_PER_EVENT):
            records = {"records": changes[start : start + _CHANGES_PER_EVENT]}
            made.append(Fact(Event("PricesChanged", good.provider, records, occurred_at=moment), "prices"))
        if before.fetched_at is not None:  # the first answer of all is no news of each offer
            came_or_went = availability_changes(was, (offer for name in names for offer in changed[name]))
            for start in range(0, len(came_or_went), _CHANGES_PER_EVENT):
                told = {
                    "provider": good.provider,
                    "changes": came_or_went[start : start + _CHANGES_PER_EVENT],
                    "timestamp": iso(moment),
                }
                made.append(Fact(Event("AvailabilityChanged", good.provider, told, occurred_at=moment)))
        if max(changed) in names:  # once, with the last group
            made += health_changes(before, good)
        return made

    state = store.save_part(before, good, changed, facts)
    return Result(state, len(changed), counted)
