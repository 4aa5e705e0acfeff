"""The key ring's item: read by every verifier, written by rotations, one at a time."""

from dataclasses import asdict
from functools import cache

import orjson

from gpubroker.identity.keyring import Ring, RingKey
from gpubroker.identity.ring_cache import RingCache
from gpubroker.identity.store.items import Identity, RingItem, found
from gpubroker.kernel.events import Event
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, transaction

_PK, _SK = "KEYS", "RING"


def ring() -> Ring | None:
    """The ring as last committed; None before the first token was signed."""
    item: RingItem | None = found(RingItem, _PK, _SK)
    if item is None:
        return None
    return Ring(int(item.generation), item.secret_version, tuple(RingKey(**key) for key in orjson.loads(item.keys)))


def commit(new: Ring, event: Event) -> None:
    """Make a ring the one that counts. Raises StaleVersion when another rotation was first."""
    item = RingItem(
        _PK,
        _SK,
        generation=new.generation,
        secret_version=new.secret_version,
        keys=orjson.dumps([asdict(key) for key in new.keys]).decode(),
    )
    with transaction(Identity) as tx:
        condition = RingItem.pk.does_not_exist() if new.generation == 1 else RingItem.generation == new.generation - 1
        tx.put(item, condition=condition, lost=StaleVersion)
        tx.put(outbox_item(Identity, event, source="identity"))


@cache
def known_keys() -> RingCache:
    """This process's public keys, for who checks our tokens and signs none."""
    return RingCache(ring)
