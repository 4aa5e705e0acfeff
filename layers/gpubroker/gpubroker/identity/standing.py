"""A principal's standing: the one item that decides about every credential of a user or a service.

Plan, state, live sessions, API keys and the accounts that act for the principal stand together, so verification
is one read, and a change of any of them holds for all credentials at once. Sessions, keys and accounts are
positive lists: what is not in them does not exist.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpubroker.identity.api_keys import digest_of
from gpubroker.identity.permissions import ADMIN_ALL, grantable
from gpubroker.kernel.caller import Caller, Plan, Role

MAX_SESSIONS = 25
MAX_KEYS = 25
MAX_ACCOUNTS = 50


@dataclass(frozen=True, slots=True)
class Session:
    """One login. Times are epoch seconds.

    refresh_id   id of the only refresh token that works now
    previous_id  id of the one before: seeing it again means that two hold the family
    retry        SHA-256 of the Idempotency-Key of the rotation, which may be repeated ("" without one)
    refreshed_at when the present pair was made; expires_at ends the family whatever happens
    """

    refresh_id: str
    created_at: int
    refreshed_at: int
    expires_at: int
    previous_id: str = ""
    retry: str = ""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """An API key: its SHA-256, what it may do, and until when (epoch seconds; None for ever)."""

    digest: str
    scopes: frozenset[str]
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A service or an agent that acts for the principal. `generation` is in its tokens: raising it ends them all."""

    kind: str
    digest: str
    scopes: frozenset[str]
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """principal: `usr_...` or `svc_...`; role: user, admin or service; disabled ends every credential."""

    principal: str
    role: Role
    plan: Plan
    disabled: bool = False
    sessions: Mapping[str, Session] = field(default_factory=dict)
    keys: Mapping[str, KeyGrant] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @property
    def scopes(self) -> frozenset[str]:
        return grantable(self.role.value)


def caller_of_claims(standing: Standing, claims: Mapping[str, Any], *, address: str, now: float) -> Caller | None:
    """The caller that verified claims stand for, as things are now; None when they were revoked."""
    if standing.disabled:
        return None
    held = frozenset(str(claims.get("scope", "")).split())
    if claims.get("kind") == "user":
        session = standing.sessions.get(str(claims.get("sid")))
        if session is None or session.expires_at <= now or claims.get("sub") != standing.principal:
            return None
        return Caller(
            standing.role,
            subject=standing.principal,
            tenant=standing.principal,
            plan=_plan(standing, standing.role),
            scopes=standing.scopes,
            # A user is one bucket however often they log in; sessions are free, so they must not buy requests.
            credential=standing.principal,
            address=address,
        )
    subject = str(claims.get("sub"))
    account = standing.accounts.get(subject)
    if account is None or account.kind != claims.get("kind") or account.generation != claims.get("gen"):
        return None
    return _caller_of_account(standing, subject, account, account.scopes & held, address)


def caller_of_key(standing: Standing, text: str, *, address: str, now: float) -> tuple[Caller, float | None] | None:
    """The caller behind an API key or a service secret, and when the key expires; None when there is none."""
    if standing.disabled:
        return None
    digest = digest_of(text)
    for key_id, key in standing.keys.items():
        if hmac.compare_digest(key.digest, digest):
            if key.expires_at is not None and key.expires_at <= now:
                return None
            scopes = key.scopes & standing.scopes
            # An administrator's key is an administrator only when it says so.
            role = Role.USER if standing.role is Role.ADMIN and ADMIN_ALL not in scopes else standing.role
            caller = Caller(
                role,
                subject=standing.principal,
                tenant=standing.principal,
                plan=_plan(standing, standing.role),
                scopes=scopes,
                credential=key_id,
                address=address,
            )
            return caller, key.expires_at
    for subject, account in standing.accounts.items():
        if hmac.compare_digest(account.digest, digest):
            return _caller_of_account(standing, subject, account, account.scopes, address), None
    return None


def _caller_of_account(
    standing: Standing, subject: str, account: Account, scopes: frozenset[str], address: str
) -> Caller:
    role = Role(account.kind)
    return Caller(
        role,
        subject=subject,
        tenant=standing.principal,
        plan=_plan(standing, role),
        scopes=scopes & grantable(account.kind),
        credential=f"{standing.principal}/{subject}",
        address=address,
    )


def _plan(standing: Standing, role: Role) -> Plan:
    """An agent has its owner's plan; administrators and services are not held to a customer's limits."""
    return Plan.ENTERPRISE if role in (Role.ADMIN, Role.SERVICE) else standing.plan


def superseded_sessions(standing: Standing, now: float) -> list[str]:
    """Sessions to end when another one starts: the expired, and the longest unused beyond the cap."""
    dead = [session_id for session_id, session in standing.sessions.items() if session.expires_at <= now]
    live = sorted(
        (session.refreshed_at, session_id)
        for session_id, session in standing.sessions.items()
        if session.expires_at > now
    )
    return dead + [session_id for _, session_id in live[: max(0, len(live) - MAX_SESSIONS + 1)]]
