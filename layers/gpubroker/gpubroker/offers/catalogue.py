"""The whole catalogue as it is stored: each part with everything that lies under its key, and whose parts there are.

CATALOGUE  PROVIDERS   the names of all providers whose parts may be stored, today's and former ones: parts of a
                       provider that we know no more can be found without looking through the table
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pynamodb.attributes import UnicodeSetAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.offers.state import PartState
from gpubroker.offers.store import BUCKET, STATE, PartItem, part_key, states_of
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import transaction

_MOST_DELETES = 100


class ProvidersItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"

    names = UnicodeSetAttribute(null=True)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What lies under a provider's key: its state, if there is one, and every bucket by name."""

    state: PartState | None
    buckets: dict[str, PartItem]


def stored_part(provider: str) -> StoredPart:
    """The state first and then, in one query, the buckets: whatever a sync writes meanwhile has moved the state on, so
    that a write on condition of the state read here is never based on half of an older part."""
    state = states_of([provider]).get(provider)
    found = PartItem.query(part_key(provider), PartItem.sk.startswith(BUCKET), consistent_read=True)
    return StoredPart(state, {item.sk.removeprefix(BUCKET): item for item in found})


def remembered(providers: Iterable[str]) -> set[str]:
    """All providers that may have parts, after noting that these may."""
    item = ProvidersItem("CATALOGUE", "PROVIDERS")
    item.update(actions=[ProvidersItem.names.add(set(providers))])
    return set(item.names or ())


def drop_orphans(provider: str, buckets: Iterable[str]) -> None:
    """Delete buckets of a part that has no state. Raises StaleVersion when it has got one meanwhile."""
    with transaction(PartItem) as tx:
        tx.check(PartItem(part_key(provider), STATE), PartItem.pk.does_not_exist())
        for name in buckets:
            tx.delete(PartItem(part_key(provider), BUCKET + name))


def drop(provider: str) -> int:
    """Delete a provider's part; how many items that were.

    Its name is forgotten only when nothing was left: whoever still writes it (an old version of a function, say) is
    found out the next time. Safe to repeat from any point.
    """
    keys = [(item.pk, item.sk) for item in PartItem.query(part_key(provider), attributes_to_get=["pk", "sk"])]
    for start in range(0, len(keys), _MOST_DELETES):
        with transaction(PartItem) as tx:
            for pk, sk in keys[start : start + _MOST_DELETES]:
                tx.delete(PartItem(pk, sk))
    if not keys:
        try:
            ProvidersItem.get("CATALOGUE", "PROVIDERS").update(actions=[ProvidersItem.names.delete({provider})])
        except DoesNotExist:
            return 0
    return len(keys)
