"""The snapshot in DynamoDB: the truth that Redis and the memory of warm functions are copies of.

    PART#<provider>  STATE        the part's state (state.py), one short JSON text
    PART#<provider>  BUCKET#<x>   one bucket in both forms (parts.py) with the version that wrote it
    REFRESH          ALL          the last wish for a refresh (refresh.py); its stream record wakes the sync
    SETTINGS         BREAKER#<x>  when the circuit of a provider opens (breaker_settings.py); of all where x is *

A write of a part is one transaction with its state, on condition that the state is still the one that was read; a part
over the bounds of a transaction is written as several, each of which leaves a whole part. So no reader can see a
bucket that the state of the same moment does not name, and one that reads them one by one can tell by the versions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.events import Event
from gpubroker.offers import parts
from gpubroker.offers.breaker_settings import EVERYBODY, changed, encoded, settings_of
from gpubroker.offers.offer import Offer
from gpubroker.offers.parts import Stored
from gpubroker.offers.state import Bucket, PartState
from gpubroker.resilience.breaker import BreakerSettings
from gpubroker.storage.outbox import Target, outbox_item
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import StaleVersion, transaction

_MOST_ACTIONS = 60
_MOST_BYTES = 3 * 1024 * 1024
STATE = "STATE"
BUCKET = "BUCKET#"
_SETTINGS = "SETTINGS"
_BREAKER = "BREAKER#"


class PartItem(Item):
    """A STATE (beat, state), a BUCKET (version, since, listing, records) or SETTINGS (version, settings).

    since  epoch seconds of the answer that the bucket was written from
    """

    class Meta(Table):
        env = "OFFERS_TABLE"

    beat = NumberAttribute(null=True)
    state = UnicodeAttribute(null=True)
    settings = UnicodeAttribute(null=True)
    since = NumberAttribute(null=True)
    listing = BinaryAttribute(null=True, legacy_encoding=False)
    records = BinaryAttribute(null=True, legacy_encoding=False)


class RefreshItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"

    requested_at = NumberAttribute()


@dataclass(frozen=True, slots=True)
class Fact:
    """An event and where it goes."""

    event: Event
    target: Target = "bus"


def part_key(provider: str) -> str:
    return f"PART#{provider}"


def bucket_key(provider: str, name: str) -> tuple[str, str]:
    """Where a bucket stands, for who reads it together with something else."""
    return part_key(provider), BUCKET + name


def states_of(providers: Iterable[str]) -> dict[str, PartState]:
    """The states of these providers in one call (up to 100); those never asked are missing."""
    keys = [(part_key(provider), STATE) for provider in providers]
    found = PartItem.batch_get(keys, consistent_read=True, attributes_to_get=["pk", "sk", "state"])
    return {state.provider: state for item in found if item.state for state in [PartState.from_json(item.state)]}


def heads_of(providers: Iterable[str]) -> tuple[dict[str, PartState], dict[str, str]]:
    """The states of these providers and, by provider or `*`, the settings of breakers that there are, in one call
    (up to 49 providers; two calls beyond)."""
    slugs = list(providers)
    keys = [(part_key(slug), STATE) for slug in slugs]
    keys += [(_SETTINGS, _BREAKER + name) for name in (EVERYBODY, *slugs)]
    states, settings = {}, {}
    for item in PartItem.batch_get(keys, consistent_read=True, attributes_to_get=["pk", "sk", "state", "settings"]):
        if item.state:
            state = PartState.from_json(item.state)
            states[state.provider] = state
        elif item.settings:
            settings[item.sk.removeprefix(_BREAKER)] = item.settings
    return states, settings


def breaker_settings(provider: str = EVERYBODY) -> tuple[BreakerSettings, int]:
    """The settings of a provider's breaker (`*`: of all that have none of their own) as they stand, and the version
    that a change of them is conditional on: 0 where the provider has none of its own."""
    keys = [(_SETTINGS, _BREAKER + name) for name in {EVERYBODY, provider}]
    found = PartItem.batch_get(keys, consistent_read=True)
    stored = {item.sk.removeprefix(_BREAKER): item for item in found}
    settings = settings_of({name: item.settings for name, item in stored.items()}, provider)
    return settings, int(stored[provider].version) if provider in stored else 0


def change_breaker_settings(provider: str, changes: Mapping[str, Any]) -> BreakerSettings:
    """Change some fields of a provider's settings (`*`: of all that have none of their own); the next sync goes by
    them. Raises Invalid for what makes no sense, StaleVersion when somebody else changed them meanwhile."""
    before, version = breaker_settings(provider)
    after = changed(before, changes)
    item = PartItem(_SETTINGS, _BREAKER + provider, version=version + 1, settings=encoded(after))
    unchanged = PartItem.version == version if version else PartItem.pk.does_not_exist()
    try:
        item.save(unchanged)
    except PutError as error:
        if lost_condition(error):
            raise StaleVersion from error
        raise
    return after


def listings_of(provider: str, buckets: Iterable[str]) -> dict[str, Stored]:
    """Some buckets of a provider, each with its version."""
    keys = [(part_key(provider), BUCKET + bucket) for bucket in buckets]
    found = PartItem.batch_get(keys, consistent_read=True, attributes_to_get=["pk", "sk", "version", "listing"])
    return {item.sk.removeprefix(BUCKET): Stored(int(item.version), item.listing) for item in found}


def listed_in(provider: str, buckets: Iterable[str]) -> dict[str, dict[str, parts.Listed]]:
    """The offers of some buckets by their ids, as far as they are compared with what is offered now."""
    keys = [(part_key(provider), BUCKET + bucket) for bucket in buckets]
    found = PartItem.batch_get(keys, consistent_read=True, attributes_to_get=["pk", "sk", "records"])
    return {item.sk.removeprefix(BUCKET): parts.decode_listed(item.records) for item in found}


def bucket(provider: str, name: str) -> list[Offer]:
    """The whole offers of one bucket, in one read of one item; empty when there is none."""
    try:
        item = PartItem.get(part_key(provider), BUCKET + name, consistent_read=True)
    except DoesNotExist:
        return []
    return parts.decode_records(item.records, float(item.since or 0.0))


def parts_of(providers: Iterable[str]) -> Iterator[tuple[PartState | None, list[Offer]]]:
    """Whole parts, each in one query. What a bucket holds that the state does not name is left out."""
    for provider in providers:
        items = {item.sk: item for item in PartItem.query(part_key(provider), consistent_read=True)}
        head = items.pop(STATE, None)
        if head is None or head.state is None:
            yield None, []
            continue
        state = PartState.from_json(head.state)
        offers = []
        for name in state.buckets:
            if (item := items.get(BUCKET + name)) is not None:
                offers += parts.decode_records(item.records, state.fetched_at or 0.0)
        yield state, offers


def save_state(state: PartState, facts: Sequence[Fact] = ()) -> None:
    """Write a state (the heartbeat when nothing changed). Raises StaleVersion when another sync was first.

    A heartbeat alone is a plain write: in a transaction it would be billed twice.
    """
    item = PartItem(part_key(state.provider), STATE, beat=state.beat, state=state.to_json().decode())
    if not facts:
        try:
            item.save(_after(state.beat - 1))
        except PutError as error:
            if lost_condition(error):
                raise StaleVersion from error
            raise
        return
    with transaction(PartItem) as tx:
        tx.put(item, condition=_after(state.beat - 1))
        for fact in facts:
            tx.put(outbox_item(PartItem, fact.event, source="offers", target=fact.target))


def save_part(
    before: PartState,
    after: PartState,
    buckets: Mapping[str, list[Offer]],
    facts: Callable[[set[str]], list[Fact]],
) -> PartState:
    """Write changed buckets (an empty list removes one), the state and the facts of these buckets' changes.

    `after` is the state to reach; it is returned with the versions of its buckets filled in. `facts` gives the facts
    of some of the buckets, so that each transaction carries those of its own changes and no other.
    Raises StaleVersion when another sync was first, and parts.PartTooLarge.
    """
    forms = {name: _forms(name, offers) for name, offers in buckets.items()}
    groups = _groups(forms)
    state = before
    for number, group in enumerate(groups, start=1):
        last = number == len(groups)
        version = state.version + 1
        standing = dict(state.buckets)
        for name in group:
            standing.pop(name, None)
            if form := forms[name]:
                standing[name] = Bucket(version, form.digest)
        goal = after if last else replace(state, offers=state.offers)
        state = replace(goal, version=version, beat=state.beat + 1, buckets=dict(sorted(standing.items())))
        with transaction(PartItem) as tx:
            head = PartItem(part_key(state.provider), STATE, beat=state.beat, state=state.to_json().decode())
            tx.put(head, condition=_after(state.beat - 1))
            for name in group:
                form = forms[name]
                item = PartItem(part_key(state.provider), BUCKET + name)
                if form is None:
                    tx.delete(item)
                    continue
                item.version, item.since = version, after.fetched_at
                item.listing, item.records = form.listing, form.records
                tx.put(item)
            for fact in facts(set(group)):
                tx.put(outbox_item(PartItem, fact.event, source="offers", target=fact.target))
    return state


def ask_for_refresh(now: float, at_most_every_s: float) -> bool:
    """Leave a wish for a refresh, unless there is one that is younger; True when this one was left."""
    item = RefreshItem("REFRESH", "ALL", requested_at=now)
    try:
        item.save(RefreshItem.pk.does_not_exist() | (RefreshItem.requested_at <= now - at_most_every_s))
    except PutError as error:
        if lost_condition(error):
            return False
        raise
    return True


@dataclass(frozen=True, slots=True)
class _Forms:
    listing: bytes
    records: bytes
    digest: str


def _forms(name: str, offers: list[Offer]) -> _Forms | None:
    if not offers:
        return None
    records = offers.records() if isinstance(offers, parts.Members) else parts.encode_records(offers)
    forms = _Forms(parts.encode_listing(offers), parts.compressed(records), parts.digest(records))
    if len(forms.listing) + len(forms.records) > parts.LARGEST_BUCKET_BYTES:
        raise parts.PartTooLarge(f"bucket {name} holds {len(offers)} offers")
    return forms


def _groups(forms: Mapping[str, _Forms | None]) -> list[list[str]]:
    """Buckets that go in one transaction together; always at least one group."""
    groups: list[list[str]] = [[]]
    size = 0
    for name, form in sorted(forms.items()):
        more = len(form.listing) + len(form.records) if form else 0
        if groups[-1] and (len(groups[-1]) >= _MOST_ACTIONS or size + more > _MOST_BYTES):
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += more
    return groups


def _after(beat: int) -> Condition:
    return PartItem.beat == beat if beat else PartItem.pk.does_not_exist()
