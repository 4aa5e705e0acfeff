"""API keys of a person: made, listed, revoked."""

from datetime import datetime

from gpubroker.identity.api_keys import new_key
from gpubroker.identity.permissions import KEYS_MANAGE, refused
from gpubroker.identity.store import keys as store
from gpubroker.identity.store.items import Identity
from gpubroker.identity.use_cases.moments import shown
from gpubroker.identity.views import ApiKeyView, NewApiKey, NewApiKeyView
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Forbidden, Invalid, NotFound
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.storage.idempotency import replay
from gpubroker.storage.transaction import AlreadyDone, StaleVersion


def create(caller: Caller, wanted: NewApiKey, *, idempotency: Idempotency | None, now: datetime) -> NewApiKeyView:
    """A key with at most the caller's own scopes. Raises Invalid, Forbidden, TooManyKeys.

    A repeated request makes no second key and is answered without the key's text, which is stored nowhere.
    """
    if caller.role not in (Role.USER, Role.ADMIN):
        raise Forbidden("API keys belong to users; a service account has its secret.")
    scopes = sorted(caller.scopes - {KEYS_MANAGE} if wanted.scopes is None else set(wanted.scopes))
    if beyond := refused(scopes, caller.scopes):
        raise Invalid.of("scopes", f"{', '.join(beyond)}: no scope that you could give")
    if not scopes:
        raise Invalid.of("scopes", "is empty")
    at = int(now.timestamp())
    text = new_key(caller.subject)
    key = store.ApiKey(
        key_id=new_id("key"),
        name=wanted.name,
        scopes=tuple(scopes),
        last_four=text.last_four,
        created_at=at,
        expires_at=at + wanted.expires_in_days * 86400 if wanted.expires_in_days else None,
    )
    shown_always = view(key, now=now).model_dump()
    try:
        store.add(caller.subject, key, digest=text.digest, idempotency=idempotency, answer=shown_always)
    except AlreadyDone:
        if idempotency is None:
            raise
        return NewApiKeyView(**replay(Identity, idempotency), api_key=None)
    return NewApiKeyView(**shown_always, api_key=text.text)


def page(caller: Caller, *, limit: int, after: str | None, now: datetime) -> tuple[list[ApiKeyView], str | None]:
    """The caller's keys, newest first, revoked ones too, and the id to go on from."""
    keys, following = store.page(caller.tenant, limit=limit, after=after)
    return [view(key, now=now) for key in keys], following


def revoke(caller: Caller, key_id: str, *, now: datetime) -> None:
    """End a key; doing it again is harmless. Raises NotFound for what is not the caller's."""
    key = store.one(caller.tenant, key_id)
    if key is None:
        raise NotFound("There is no such API key.")
    if key.revoked_at is None:
        try:
            store.revoke(caller.tenant, key_id, at=int(now.timestamp()))
        except StaleVersion:
            return  # ended by somebody else in this moment, which is what was asked for


def view(key: store.ApiKey, *, now: datetime) -> ApiKeyView:
    expired = key.expires_at is not None and key.expires_at <= now.timestamp()
    return ApiKeyView(
        key_id=key.key_id,
        name=key.name,
        scopes=list(key.scopes),
        last_four=key.last_four,
        status="revoked" if key.revoked_at is not None else "expired" if expired else "active",
        created_at=shown(key.created_at),
        expires_at=shown(key.expires_at),
        revoked_at=shown(key.revoked_at),
    )
