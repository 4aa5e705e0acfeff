"""API keys: the grant in the owner's standing decides, an item beside it is what the list shows."""

from dataclasses import dataclass
from typing import Any

from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import size

from gpubroker.identity import events
from gpubroker.identity.standing import MAX_KEYS
from gpubroker.identity.store.items import Identity, KeyItem, StandingItem, found
from gpubroker.identity.store.standings import key_of
from gpubroker.kernel.errors import Conflict, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage.idempotency import remember
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, transaction

# A revoked key stays in the list for a while, so that its owner can see what happened to it.
_SHOWN_REVOKED_SECONDS = 90 * 24 * 3600


class TooManyKeys(Conflict):
    code = "too-many-api-keys"
    title = "The account has as many API keys as it may"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Times are epoch seconds. The key itself is nowhere."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    last_four: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None


def add(user_id: str, key: ApiKey, *, digest: str, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
    """Raises TooManyKeys at the cap; AlreadyDone on a repeated request."""
    grant: dict[str, Any] = {"digest": digest, "scopes": list(key.scopes)}
    if key.expires_at is not None:
        grant["expires_at"] = key.expires_at
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.api_keys[key.key_id].set(grant)],
            condition=StandingItem.pk.exists() & (size(StandingItem.api_keys) < MAX_KEYS),  # type: ignore[no-untyped-call]
            lost=TooManyKeys(f"An account may have {MAX_KEYS} API keys; delete one first."),
        )
        tx.put(
            KeyItem(
                user_id,
                f"KEY#{key.key_id}",
                key_id=key.key_id,
                name=key.name,
                scopes=list(key.scopes),
                last_four=key.last_four,
                created_at=key.created_at,
                valid_until=key.expires_at,
            ),
            condition=KeyItem.pk.does_not_exist(),
        )
        event = events.api_key_created(user_id, key.key_id, scopes=key.scopes)
        tx.put(outbox_item(Identity, event, source=events.SOURCE))
        remember(tx, Identity, idempotency, answer)


def one(user_id: str, key_id: str) -> ApiKey | None:
    item: KeyItem | None = found(KeyItem, user_id, f"KEY#{key_id}")
    return _of(item) if item else None


def page(user_id: str, *, limit: int, after: str | None) -> tuple[list[ApiKey], str | None]:
    """Keys of a user, newest first, from behind key id `after`; and the id to go on from, None at the end."""
    start = {"pk": {"S": user_id}, "sk": {"S": f"KEY#{after}"}} if after else None
    try:
        rows = KeyItem.query(
            user_id,
            KeyItem.sk.startswith("KEY#"),
            consistent_read=True,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
            last_evaluated_key=start,
        )
        keys = [_of(item) for item in rows]
    except PynamoDBException as error:
        raise Unavailable("The identity store cannot be reached.", retry_after=1) from error
    return keys[:limit], keys[limit - 1].key_id if len(keys) > limit else None


def revoke(user_id: str, key_id: str, *, at: int) -> None:
    """End a key. Raises StaleVersion when it was ended meanwhile."""
    with transaction(Identity) as tx:
        tx.update(
            KeyItem(user_id, f"KEY#{key_id}"),
            actions=[KeyItem.revoked_at.set(at), KeyItem.expires_at.set(at + _SHOWN_REVOKED_SECONDS)],
            condition=KeyItem.pk.exists() & KeyItem.revoked_at.does_not_exist(),
            lost=StaleVersion,
        )
        tx.update(key_of(user_id), actions=[StandingItem.api_keys[key_id].remove()], condition=StandingItem.pk.exists())
        tx.put(outbox_item(Identity, events.api_key_revoked(user_id, key_id), source=events.SOURCE))


def _of(item: KeyItem) -> ApiKey:
    return ApiKey(
        item.key_id,
        item.name,
        tuple(item.scopes),
        item.last_four,
        int(item.created_at),
        _whole(item.valid_until),
        _whole(item.revoked_at),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
