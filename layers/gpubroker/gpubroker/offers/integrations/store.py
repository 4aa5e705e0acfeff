"""What is known of a tenant's own keys: everything but the keys.

    <tenant>#INTEGRATIONS  PROVIDER#<slug>           the integration: one key, its state and its version
    <tenant>#INTEGRATIONS  USE#<slug>#<rental id>    an open rental on that account; while there is one, the key stays

The key itself stands in Secrets Manager (vault.py), which knows no transactions. So this item is taken before the
secret is touched (`busy_until`: nobody else touches it meanwhile), and settled after; whoever dies between the two
leaves an item that says so, and the next save or removal starts from there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.offers import parts
from gpubroker.offers.offer import Offer
from gpubroker.offers.store import bucket_key
from gpubroker.storage.idempotency import remember
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import Writes, transaction

BUSY_S = 45
"""Longer than the function lives that took the integration (29 s)."""

_PROVIDER = "PROVIDER#"


class Status(StrEnum):
    """saving: never yet in force. active: rentals use it. removing: no new rental does, and its key is going."""

    SAVING = "saving"
    ACTIVE = "active"
    REMOVING = "removing"


class IntegrationBusy(Conflict):
    code = "integration-busy"
    title = "This integration is being changed at the moment"


@dataclass(frozen=True, slots=True)
class Integration:
    """One tenant's key at one provider, without the key.

    fingerprint  tells two keys apart, and tells nothing of either (vault.py); None before the first is in force
    busy_until   epoch seconds until when somebody is at it; 0 when all is settled. In the past: whoever was at it died,
                 and the secret may be ahead of what is said here
    version      counts the writes
    """

    integration_id: str
    tenant: str
    provider: str
    created_at: str
    status: Status = Status.SAVING
    fingerprint: str | None = None
    verified_at: str | None = None
    rotated_at: str | None = None
    busy_until: int = 0
    version: int = 1

    @property
    def settled(self) -> bool:
        return self.busy_until == 0

    def taken(self, now: float) -> "Integration":
        """Held for a change that begins now. Raises IntegrationBusy while another is under way."""
        if self.busy_until > now:
            raise IntegrationBusy(
                "Somebody is saving or removing it; ask again in a moment.", retry_after=self.busy_until - now
            )
        return replace(self, busy_until=int(now) + BUSY_S, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class Use:
    """An open rental on the account; at the provider its instances' labels begin with `label`."""

    rental_id: str
    label: str


class IntegrationItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"

    integration_id = UnicodeAttribute()
    provider = UnicodeAttribute()
    status = UnicodeAttribute()
    fingerprint = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    verified_at = UnicodeAttribute(null=True)
    rotated_at = UnicodeAttribute(null=True)
    busy_until = NumberAttribute()


class UseItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"

    rental_id = UnicodeAttribute()
    label = UnicodeAttribute()


class _Either(IntegrationItem):
    """An integration, or a bucket of offers: what one call reads for a request of a rental."""

    class Meta(Table):
        env = "OFFERS_TABLE"

    since = NumberAttribute(null=True)
    records = BinaryAttribute(null=True, legacy_encoding=False)


def of(tenant: str, provider: str) -> Integration | None:
    """One strongly consistent read."""
    try:
        return _value(IntegrationItem.get(_pk(tenant), _PROVIDER + provider, consistent_read=True))
    except DoesNotExist:
        return None


def all_of(tenant: str) -> list[Integration]:
    """In the order of their providers; there are at most as many as providers, so this is one page."""
    found: Iterable[IntegrationItem] = IntegrationItem.query(
        _pk(tenant), IntegrationItem.sk.startswith(_PROVIDER), consistent_read=True
    )
    return [_value(item) for item in found]


def with_bucket(tenant: str, provider: str, bucket: str) -> tuple[list[Offer], Integration | None]:
    """A bucket of offers and the tenant's integration at their provider, in one call."""
    here, there = bucket_key(provider, bucket), (_pk(tenant), _PROVIDER + provider)
    items = {(item.pk, item.sk): item for item in _Either.batch_get([here, there], consistent_read=True)}
    offers = items.get(here)
    kept = items.get(there)
    return (
        parts.decode_records(offers.records, float(offers.since or 0.0)) if offers else [],
        _value(kept) if kept else None,
    )


def uses_of(tenant: str, provider: str) -> list[Use]:
    """The open rentals on this account, the oldest first (ids of rentals sort by time)."""
    found: Iterable[UseItem] = UseItem.query(
        _pk(tenant), UseItem.sk.startswith(f"USE#{provider}#"), consistent_read=True
    )
    return [Use(item.rental_id, item.label) for item in found]


def write(
    before: Integration | None,
    after: Integration,
    *facts: Event,
    idempotency: Idempotency | None = None,
    answer: dict[str, object] | None = None,
) -> Integration:
    """Write it and its facts, or neither. Raises StaleVersion when somebody else was first, AlreadyDone."""
    with transaction(IntegrationItem) as tx:
        remember(tx, IntegrationItem, idempotency, answer or {})
        tx.put(_item(after), condition=_still(before))
        _tell(tx, facts)
    return after


def erase(before: Integration, *facts: Event) -> None:
    """Forget it. Raises StaleVersion when somebody else was first."""
    with transaction(IntegrationItem) as tx:
        tx.delete(_item(before), condition=_still(before))
        _tell(tx, facts)


def note_use(tx: Writes, tenant: str, provider: str, use: Use, *, lost: Exception) -> None:
    """A rental takes the account, in its own transaction; `lost` unless the integration is active at that moment."""
    tx.check(
        IntegrationItem(_pk(tenant), _PROVIDER + provider), IntegrationItem.status == Status.ACTIVE.value, lost=lost
    )
    tx.put(UseItem(_pk(tenant), f"USE#{provider}#{use.rental_id}", rental_id=use.rental_id, label=use.label))


def forget_use(tx: Writes, tenant: str, provider: str, rental_id: str) -> None:
    """Nothing of the rental is left, in its own transaction."""
    tx.delete(UseItem(_pk(tenant), f"USE#{provider}#{rental_id}"))


def _tell(tx: Writes, facts: tuple[Event, ...]) -> None:
    for fact in facts:
        tx.put(outbox_item(IntegrationItem, fact, source="offers"))


def _still(before: Integration | None) -> Condition:
    """It is as it was read; its id, since one that is made again after a removal counts from one again."""
    if before is None:
        return IntegrationItem.pk.does_not_exist()
    same: list[Condition] = [
        IntegrationItem.version == before.version,
        IntegrationItem.integration_id == before.integration_id,
    ]
    return reduce(lambda one, other: one & other, same)


def _pk(tenant: str) -> str:
    return f"{tenant}#INTEGRATIONS"


def _item(one: Integration) -> IntegrationItem:
    return IntegrationItem(
        pk=_pk(one.tenant),
        sk=_PROVIDER + one.provider,
        version=one.version,
        integration_id=one.integration_id,
        provider=one.provider,
        status=one.status.value,
        fingerprint=one.fingerprint,
        created_at=one.created_at,
        verified_at=one.verified_at,
        rotated_at=one.rotated_at,
        busy_until=one.busy_until,
    )


def _value(item: IntegrationItem) -> Integration:
    return Integration(
        integration_id=item.integration_id,
        tenant=item.pk.rpartition("#")[0],
        provider=item.provider,
        created_at=item.created_at,
        status=Status(item.status),
        fingerprint=item.fingerprint,
        verified_at=item.verified_at,
        rotated_at=item.rotated_at,
        busy_until=int(item.busy_until),
        version=int(item.version or 0),
    )
