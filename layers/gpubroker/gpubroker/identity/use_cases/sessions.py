"""Logging in, staying in, logging out."""

import hashlib
from dataclasses import replace
from datetime import datetime

from gpubroker.identity import passwords
from gpubroker.identity.emails import normalised
from gpubroker.identity.ring_cache import RingCache
from gpubroker.identity.signing import SigningKeys
from gpubroker.identity.standing import MAX_SESSIONS, Session, Standing, superseded_sessions
from gpubroker.identity.store import throttle as counts
from gpubroker.identity.store import users
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.throttle import LOGIN_BY_ACCOUNT, LOGIN_BY_ADDRESS, count_of, network_of
from gpubroker.identity.tokens import ACCESS, REFRESH, BadToken, Signer, TokenPair, pair_for_session, verified
from gpubroker.identity.views import Credentials, TokensView
from gpubroker.kernel.errors import Forbidden, Unauthenticated
from gpubroker.kernel.ids import new_id
from gpubroker.storage.transaction import StaleVersion

# A session may be kept alive by refreshing for this long; then one logs in again.
SESSION_SECONDS = 90 * 24 * 3600
# A rotation with an Idempotency-Key may be repeated for this long, by who lost the answer on the way.
RETRY_SECONDS = 600


class WrongCredentials(Unauthenticated):
    """One answer for an unknown address and a wrong password."""

    code = "wrong-credentials"
    title = "E-mail and password do not match"


class AccountDisabled(Forbidden):
    """Told only to who knows the password."""

    code = "account-disabled"
    title = "This account is disabled"


class RefreshRefused(Unauthenticated):
    code = "refresh-token-invalid"
    title = "This refresh token is not valid, has expired or was revoked; log in again"


class RefreshReused(Unauthenticated):
    """Two hold tokens of this session, and one of them stole them: the session is over for both (RFC 9700, 4.14)."""

    code = "refresh-token-reused"
    title = "This refresh token was used before; the session has been ended"


def log_in(given: Credentials, *, address: str, keys: SigningKeys, now: datetime) -> TokensView:
    """Raises WrongCredentials, AccountDisabled, TooManyAttempts.

    The try is counted before the password is looked at, so that guesses in parallel are counted too; a right
    password clears the account's count and gives the address its try back.
    """
    email = normalised(given.email)
    moment = now.timestamp()
    tries = count_of(LOGIN_BY_ACCOUNT, email, moment), count_of(LOGIN_BY_ADDRESS, network_of(address), moment)
    counts.count(*tries, now=moment)
    login = users.login_of(email)
    right = passwords.matches(login.password_hash if login else passwords.NOBODY, given.password)
    if login is None or not right:
        raise WrongCredentials
    standing = standing_of(login.user_id)
    if standing is None:
        raise WrongCredentials
    if standing.disabled:
        raise AccountDisabled
    at = int(moment)
    session_id, session = new_id("ses"), Session(new_id("rft"), at, at, at + SESSION_SECONDS)
    pair = _pair(keys.signer(moment), standing, session_id, session)
    try:
        users.start_session(
            login.user_id, session_id, session, ending=superseded_sessions(standing, moment), tries=tries
        )
    except StaleVersion as error:
        raise AccountDisabled from error
    if passwords.outdated(login.password_hash):
        _rehash(login, given.password)
    return _view(standing, pair)


def refresh(token: str, *, retry_key: str | None, keys: SigningKeys, now: datetime) -> TokensView:
    """The next pair for a refresh token, which thereby is spent. Raises RefreshRefused, RefreshReused.

    retry_key: the Idempotency-Key. Who lost the answer repeats the request with the same key and gets the same
    pair; nothing of it was stored, since the same claims sign to the same token.
    """
    moment = now.timestamp()
    try:
        claims = verified(token, REFRESH, public_key=lambda kid: keys.public_key(kid, moment), now=moment)
    except BadToken as error:
        raise RefreshRefused from error
    user_id, session_id, refresh_id = claims["sub"], str(claims.get("sid")), str(claims.get("jti"))
    retry = hashlib.sha256(retry_key.encode()).hexdigest() if retry_key else ""
    signer = keys.signer(moment)
    for _ in range(2):  # twice: who loses the race for one token looks again, and then is late
        standing = standing_of(user_id)
        session = standing.sessions.get(session_id) if standing and not standing.disabled else None
        if standing is None or session is None or session.expires_at <= moment:
            raise RefreshRefused
        if refresh_id == session.refresh_id:
            following = replace(
                session, refresh_id=new_id("rft"), previous_id=refresh_id, refreshed_at=int(moment), retry=retry
            )
            try:
                users.rotate_session(user_id, session_id, following)
            except StaleVersion:
                continue
            return _view(standing, _pair(signer, standing, session_id, following))
        if _is_retry(session, refresh_id, retry, moment):
            return _view(standing, _pair(signer, standing, session_id, session))
        break
    users.end_sessions(user_id, [session_id], reason="refresh-token-reused")
    raise RefreshReused


def log_out(token: str, *, everywhere: bool, keys: RingCache, now: datetime) -> None:
    """End the session of an access token, or all sessions of its user. Raises Forbidden for other credentials."""
    moment = now.timestamp()
    try:
        claims = verified(token, ACCESS, public_key=lambda kid: keys.public_key(kid, moment), now=moment)
    except BadToken as error:
        raise Forbidden("This credential has no session; an API key is ended by deleting it.") from error
    if claims.get("kind") != "user":
        raise Forbidden("This credential has no session; a service account is ended by an administrator.")
    user_id, session_id = claims["sub"], str(claims["sid"])
    standing = standing_of(user_id)
    live = set(standing.sessions) if standing else set()
    ending = live if everywhere else live & {session_id}
    users.end_sessions(user_id, sorted(ending), reason="logout")


def change_password(token: str, current: str, new: str, *, keys: RingCache, now: datetime) -> None:
    """A new password for who knows the old one. All other sessions end. Raises WrongCredentials, Invalid, Forbidden."""
    moment = now.timestamp()
    try:
        claims = verified(token, ACCESS, public_key=lambda kid: keys.public_key(kid, moment), now=moment)
    except BadToken as error:
        raise Forbidden("Log in to change the password.") from error
    profile = users.profile_of(claims["sub"]) if claims.get("kind") == "user" else None
    login = users.login_of(profile.email) if profile else None
    if profile is None or login is None:
        raise Forbidden("Log in to change the password.")
    counts.count(count_of(LOGIN_BY_ACCOUNT, profile.email, moment), now=moment)
    if not passwords.matches(login.password_hash, current):
        raise WrongCredentials
    fresh = passwords.hashed(passwords.acceptable(new, email=profile.email, field="new_password"))
    standing = standing_of(profile.user_id)
    others = sorted(set(standing.sessions if standing else ()) - {str(claims["sid"])})[: MAX_SESSIONS * 2]
    users.change_password(profile, old_hash=login.password_hash, new_hash=fresh, ended=others)


def _is_retry(session: Session, refresh_id: str, retry: str, now: float) -> bool:
    return (
        refresh_id == session.previous_id
        and retry != ""
        and retry == session.retry
        and now - session.refreshed_at <= RETRY_SECONDS
    )


def _pair(signer: Signer, standing: Standing, session_id: str, session: Session) -> TokenPair:
    return pair_for_session(
        signer,
        user_id=standing.principal,
        session_id=session_id,
        refresh_id=session.refresh_id,
        role=standing.role.value,
        plan=standing.plan.value,
        scopes=standing.scopes,
        at=session.refreshed_at,
        session_expires_at=session.expires_at,
    )


def _view(standing: Standing, pair: TokenPair) -> TokensView:
    return TokensView(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
        refresh_expires_in=pair.refresh_expires_in,
        user_id=standing.principal,
        plan=standing.plan,
    )


def _rehash(login: users.Login, password: str) -> None:
    try:
        users.rehash(login, passwords.hashed(passwords.prepared(password)))
    except StaleVersion:
        return  # the password was changed in this moment; the next login sees to the rest
