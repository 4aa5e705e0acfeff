"""Saving and removing keys of one's own (R9.5, checklist 230, 275, 340).

The order of a save: counted, then verified at the provider, then the item taken, the secret written, the item settled
with the fact. Before the item is taken nothing has happened; a new key is of no use to anybody before the item is
settled, since rentals go by the item. Cut off between the two, a rotation leaves the new key in force, verified and
the same tenant's, and the item says `interrupted`; saving or removing once more puts either right.

The order of a removal: the item says `removing`, so that no new rental takes the account; then nobody may be using it;
then the secret goes; then the item, with the fact.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import iso
from gpubroker.offers import errors
from gpubroker.offers.integrations import check, store, vault
from gpubroker.offers.integrations.requests import IntegrationRequest
from gpubroker.offers.integrations.store import Integration, IntegrationItem, Status
from gpubroker.offers.integrations.views import IntegrationView
from gpubroker.offers.slugs import SLUGS
from gpubroker.storage.idempotency import replay
from gpubroker.storage.throttle import Limit, Throttle, count_of, network_of
from gpubroker.storage.transaction import AlreadyDone

BY_TENANT = Limit("integration-tenant", 20, 900)
BY_ADDRESS = Limit("integration-address", 100, 900)
"""Saves and removals: few, since each asks a provider, and since nobody shall try out found keys here."""

_throttle = Throttle("OFFERS_TABLE")


class IntegrationInUse(Conflict):
    code = "integration-in-use"
    title = "Rentals run on this account"


class OtherAccount(Conflict):
    code = "another-account"
    title = "Rentals run on another account than this key's"


def save(
    caller: Caller, wanted: IntegrationRequest, idempotency: Idempotency | None, now: datetime
) -> tuple[IntegrationView, bool]:
    """Keep a key, in the place of the one before if there is one; and whether there was none.

    Raises Invalid for a key that its provider does not take, Unavailable (nothing is saved) while that cannot be known,
    OtherAccount, IntegrationBusy, TooManyAttempts.
    """
    at, provider, key = now.timestamp(), wanted.provider, wanted.key()
    _count(caller, at)
    _check_shape(wanted)
    idempotency = _sealed(idempotency)
    if (answered := _answered(idempotency)) is not None:
        return answered
    before = store.of(caller.tenant, provider)
    if before is not None:
        before.taken(at)  # while another change is under way there is no use in asking the provider
    _verify(caller.tenant, wanted, key, before)
    mark = vault.fingerprint(caller.tenant, provider, key)
    fresh = before is None or before.verified_at is None
    if before is not None and before.settled and before.status is Status.ACTIVE and before.fingerprint == mark:
        return _settle(before, mark, now, idempotency, rotated=False)
    if before is None:
        new = Integration(new_id("int"), caller.tenant, provider, created_at=iso(now), version=0)
        held = store.write(None, new.taken(at))
    else:
        held = store.write(before, before.taken(at))
    with _left_unsettled(held, at):
        vault.put(caller.tenant, provider, key)
    return _settle(held, mark, now, idempotency, rotated=not fresh and held.fingerprint != mark)


def remove(caller: Caller, provider: str, now: datetime) -> None:
    """Take a key back; one that is not there is gone already. Raises IntegrationInUse while a rental needs it to be
    ended, IntegrationBusy, Unavailable, NotFound for a provider that is none, TooManyAttempts."""
    at = now.timestamp()
    _count(caller, at)
    if provider not in SLUGS:
        raise NotFound("There is no such provider.")
    before = store.of(caller.tenant, provider)
    if before is None:
        return
    _refuse_used(before)  # the usual refusal, before anything is touched
    held = store.write(before, replace(before.taken(at), status=Status.REMOVING))
    try:
        _refuse_used(held)  # a rental that was asked for meanwhile either came before this, or was refused
    except IntegrationInUse:
        store.write(held, replace(before, version=held.version + 1))
        raise
    with _left_unsettled(held, at):
        vault.delete(caller.tenant, provider)
    known = held.verified_at is not None
    store.erase(held, *([_fact("IntegrationRemoved", held, now)] if known else []))


def _settle(
    held: Integration, mark: str, now: datetime, idempotency: Idempotency | None, *, rotated: bool
) -> tuple[IntegrationView, bool]:
    """The key is in force: say so, in the transaction of the fact. A key that was there before is no news."""
    fresh, changed = held.verified_at is None, held.fingerprint != mark
    after = replace(
        held,
        status=Status.ACTIVE,
        fingerprint=mark,
        verified_at=iso(now),
        rotated_at=iso(now) if rotated else held.rotated_at,
        busy_until=0,
        version=held.version + 1,
    )
    facts = [_fact("IntegrationRotated" if rotated else "IntegrationSaved", after, now)] if fresh or changed else []
    view = IntegrationView.of(after, now.timestamp())
    try:
        store.write(held, after, *facts, idempotency=idempotency, answer={"view": view.model_dump(), "fresh": fresh})
    except AlreadyDone:
        answered = _answered(idempotency)
        if answered is None:
            raise
        return answered
    return view, fresh


def _fact(kind: str, one: Integration, now: datetime) -> Event:
    """Who has a key where, and since when; nothing of the key."""
    return Event(
        kind,
        one.integration_id,
        {
            "user_id": one.tenant,
            "provider": one.provider,
            "event_type": kind,
            "data": {"integration_id": one.integration_id, "version": one.version},
            "timestamp": iso(now),
        },
    )


def _count(caller: Caller, at: float) -> None:
    _throttle.count(
        count_of(BY_TENANT, caller.tenant, at), count_of(BY_ADDRESS, network_of(caller.address), at), now=at
    )


def _check_shape(wanted: IntegrationRequest) -> None:
    """Raises Invalid for a provider that is none or takes no key, and for credentials of another shape than its own."""
    provider = wanted.provider
    if provider not in SLUGS:
        raise Invalid.of("provider", f"is none of {', '.join(SLUGS)}")
    if not check.takes_a_key(provider):
        raise Invalid.of("provider", "tells its prices to everybody and rents nothing here: it takes no key")
    parts = check.parts_of(provider)
    if parts is None and wanted.credentials is not None:
        raise Invalid.of("credentials", f"{provider} takes one key, in api_key")
    if parts is not None and (wanted.credentials is None or set(wanted.credentials) != set(parts)):
        raise Invalid.of(wanted.field, f"{provider} takes credentials with {' and '.join(parts)}")


def _verify(tenant: str, wanted: IntegrationRequest, key: Any, before: Integration | None) -> None:
    """Raises what the provider says against this key, and OtherAccount.

    Rentals that run on the account must be ended through it. A key of another account would make them look lost, so
    it is refused, as long as the key before still shows that they are there.
    """
    provider = wanted.provider
    try:
        seen = {one.instance_id for one in check.instances_seen(provider, key)}
    except errors.ProviderError as error:
        raise check.problem_of(error, wanted.field) from None
    uses = store.uses_of(tenant, provider) if before is not None else []
    if not uses:
        return
    labels = tuple(use.label for use in uses)
    ours = {
        one.instance_id: one.label for one in _seen_before(tenant, provider) if (one.label or "").startswith(labels)
    }
    if hidden := [label for instance_id, label in ours.items() if instance_id not in seen]:
        named = [use.rental_id for use in uses if any((label or "").startswith(use.label) for label in hidden)]
        message = "does not show the instances of rentals that run on the account of the key before"
        raise OtherAccount(
            f"{wanted.field}: {message}. End them first: {', '.join(named)}.",
            fields=(FieldError(wanted.field, message),),
            rentals=named,
        )


def _seen_before(tenant: str, provider: str) -> list[Any]:
    """What the key in force shows; nothing when it is refused, since then nothing can be learnt from it any more."""
    try:
        return check.instances_seen(provider, vault.current(tenant, provider))
    except errors.BadCredentials:
        return []
    except errors.ProviderError as error:
        raise check.problem_of(error, "api_key") from None


def _refuse_used(one: Integration) -> None:
    uses = store.uses_of(one.tenant, one.provider)
    if uses:
        named = [use.rental_id for use in uses]
        raise IntegrationInUse(
            f"Without this key nobody could end them. End them first: {', '.join(named[:20])}.", rentals=named[:100]
        )


@contextmanager
def _left_unsettled(held: Integration, at: float) -> Iterator[None]:
    """Around the secret's change: when it fails, the item is let go, and goes on saying that it is not settled."""
    try:
        yield
    except Unavailable:
        store.write(held, replace(held, busy_until=int(at), version=held.version + 1))
        raise


def _sealed(idempotency: Idempotency | None) -> Idempotency | None:
    return None if idempotency is None else replace(idempotency, fingerprint=vault.seal(idempotency.fingerprint))


def _answered(idempotency: Idempotency | None) -> tuple[IntegrationView, bool] | None:
    """What this very request was answered before. Raises KeyReused."""
    if idempotency is None:
        return None
    try:
        answer = replay(IntegrationItem, idempotency)
    except Conflict:
        return None  # never seen
    return IntegrationView.model_validate(answer["view"]), bool(answer["fresh"])
