"""Service and agent accounts, and the long-lived tokens they exchange their secret for (Journey 4, 282)."""

import hmac
from datetime import datetime
from typing import Any

from gpubroker.identity import tokens
from gpubroker.identity.api_keys import digest_of, new_key, principal_of
from gpubroker.identity.permissions import grantable, refused
from gpubroker.identity.signing import SigningKeys
from gpubroker.identity.store import accounts as store
from gpubroker.identity.store import throttle as counts
from gpubroker.identity.store.items import Identity
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.throttle import SERVICE_BY_ACCOUNT, SERVICE_BY_ADDRESS, count_of, network_of
from gpubroker.identity.use_cases.moments import shown
from gpubroker.identity.views import (
    NewServiceAccount,
    NewServiceAccountView,
    ServiceAccountView,
    ServiceTokenRequest,
    ServiceTokenView,
)
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, Invalid, Unauthenticated
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.storage.idempotency import replay
from gpubroker.storage.transaction import AlreadyDone, StaleVersion, transaction


class WrongSecret(Unauthenticated):
    """One answer for an unknown account, a wrong secret and a revoked account."""

    code = "wrong-credentials"
    title = "Service id and secret do not match"


class AccountRevoked(Conflict):
    code = "service-account-revoked"
    title = "This account was revoked"


def issue_token(given: ServiceTokenRequest, *, address: str, keys: SigningKeys, now: datetime) -> ServiceTokenView:
    """A token of 90 days with the account's scopes, or the fewer ones asked for.

    Raises WrongSecret, Invalid for scopes the account lacks, TooManyAttempts. Ended by a new secret or by revoking
    the account, within the verifiers' lag.
    """
    moment = now.timestamp()
    by_account = count_of(SERVICE_BY_ACCOUNT, given.service_id, moment)
    by_address = count_of(SERVICE_BY_ADDRESS, network_of(address), moment)
    counts.count(by_account, by_address, now=moment)
    principal = principal_of(given.secret)
    standing = standing_of(principal) if principal else None
    account = standing.accounts.get(given.service_id) if standing and not standing.disabled else None
    if standing is None or account is None or not hmac.compare_digest(account.digest, digest_of(given.secret)):
        raise WrongSecret
    scopes = account.scopes if given.scopes is None else frozenset(given.scopes)
    if beyond := refused(scopes, account.scopes):
        raise Invalid.of("scopes", f"{', '.join(beyond)}: not a scope of this account")
    with transaction(Identity) as tx:
        counts.clear(tx, by_account)
        counts.give_back(tx, by_address)
    token = tokens.for_account(
        keys.signer(moment),
        principal=standing.principal,
        subject=given.service_id,
        kind=account.kind,
        scopes=scopes,
        generation=account.generation,
        token_id=new_id("tok"),
        at=int(moment),
        seconds=tokens.SERVICE_SECONDS,
    )
    return ServiceTokenView(
        access_token=token,
        expires_in=tokens.SERVICE_SECONDS,
        service_id=given.service_id,
        kind=_kind(account.kind),
        scopes=sorted(scopes),
    )


def create(
    caller: Caller, wanted: NewServiceAccount, *, idempotency: Idempotency | None, now: datetime
) -> NewServiceAccountView:
    """An account, by an administrator. Its secret also works as an API key (`X-API-Key`).

    Raises Invalid, ServiceIdTaken, TooManyAccounts.
    """
    scopes = sorted(set(wanted.scopes))
    if beyond := refused(scopes, grantable(wanted.kind)):
        raise Invalid.of("scopes", f"{', '.join(beyond)}: not for {wanted.kind} accounts")
    if wanted.kind == "agent" and wanted.owner_id is None:
        raise Invalid.of("owner_id", "is required: an agent acts for a user")
    if wanted.owner_id is not None and not _is_user(wanted.owner_id):
        raise Invalid.of("owner_id", "there is no such user")
    principal = wanted.owner_id if wanted.kind == "agent" and wanted.owner_id else new_id("svc")
    secret = new_key(principal)
    account = store.ServiceAccount(
        service_id=wanted.service_id,
        principal=principal,
        kind=wanted.kind,
        owner_id=wanted.owner_id,
        scopes=tuple(scopes),
        last_four=secret.last_four,
        created_at=int(now.timestamp()),
        created_by=caller.subject,
    )
    shown_always = view(account).model_dump()
    try:
        store.add(account, digest=secret.digest, idempotency=idempotency, answer=shown_always)
    except AlreadyDone:
        return _again(idempotency)
    return NewServiceAccountView(**shown_always, secret=secret.text)


def page(*, limit: int, after: str | None) -> tuple[list[ServiceAccountView], str | None]:
    """All accounts by id, revoked ones too, and the id to go on from."""
    found, following = store.page(limit=limit, after=after)
    return [view(account) for account in found], following


def rotate_secret(
    caller: Caller, service_id: str, *, revoke_tokens: bool, idempotency: Idempotency | None
) -> NewServiceAccountView:
    """A new secret; the old one is void at once, and so are the account's tokens unless `revoke_tokens` is false.

    Raises NotFound, AccountRevoked.
    """
    account = store.one(service_id)
    if account.revoked_at is not None:
        raise AccountRevoked
    secret = new_key(account.principal)
    shown_always = view(account).model_dump() | {"last_four": secret.last_four}
    try:
        store.rotate_secret(
            account,
            digest=secret.digest,
            last_four=secret.last_four,
            revoke_tokens=revoke_tokens,
            changed_by=caller.subject,
            idempotency=idempotency,
            answer=shown_always,
        )
    except AlreadyDone:
        return _again(idempotency)
    except StaleVersion as error:
        raise AccountRevoked from error
    return NewServiceAccountView(**shown_always, secret=secret.text)


def revoke(caller: Caller, service_id: str, *, now: datetime) -> None:
    """End an account; doing it again is harmless. Raises NotFound."""
    account = store.one(service_id)
    if account.revoked_at is None:
        try:
            store.revoke(account, at=int(now.timestamp()), changed_by=caller.subject)
        except StaleVersion:
            return  # ended by somebody else in this moment, which is what was asked for


def view(account: store.ServiceAccount) -> ServiceAccountView:
    return ServiceAccountView(
        service_id=account.service_id,
        kind=_kind(account.kind),
        owner_id=account.owner_id,
        scopes=list(account.scopes),
        last_four=account.last_four,
        status="active" if account.revoked_at is None else "revoked",
        created_at=shown(account.created_at),
        created_by=account.created_by,
        revoked_at=shown(account.revoked_at),
    )


def _again(idempotency: Idempotency | None) -> NewServiceAccountView:
    if idempotency is None:
        raise RuntimeError("only a request with an Idempotency-Key can be a repeated one")
    return NewServiceAccountView(**replay(Identity, idempotency), secret=None)


def _is_user(user_id: str) -> bool:
    standing = standing_of(user_id) if user_id.startswith("usr_") else None
    return standing is not None and not standing.disabled


def _kind(kind: str) -> Any:
    return kind
