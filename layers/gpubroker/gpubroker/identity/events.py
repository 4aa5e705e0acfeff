"""The facts that identity publishes: one function per event type, version 1 of each.

No fact carries an e-mail address or a secret: the bus is read by everybody. Who needs an address asks for it.
"""

from collections.abc import Iterable
from datetime import datetime

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso

SOURCE = "identity"


def user_registered(user_id: str, *, plan: str, at: datetime) -> Event:
    return Event("UserRegistered", user_id, {"user_id": user_id, "plan": plan, "registered_at": iso(at)})


def email_verification_requested(user_id: str, challenge: str) -> Event:
    return Event("EmailVerificationRequested", user_id, {"user_id": user_id, "challenge": challenge})


def email_verified(user_id: str) -> Event:
    return Event("EmailVerified", user_id, {"user_id": user_id})


def registration_repeated(user_id: str) -> Event:
    """Somebody registered an address that has an account: its owner is told, the somebody is not."""
    return Event("RegistrationRepeated", user_id, {"user_id": user_id})


def password_reset_requested(user_id: str, challenge: str) -> Event:
    return Event("PasswordResetRequested", user_id, {"user_id": user_id, "challenge": challenge})


def password_changed(user_id: str, *, reason: str) -> Event:
    """reason: `reset` (by mail) or `change` (by its owner, signed in)."""
    return Event("PasswordChanged", user_id, {"user_id": user_id, "reason": reason})


def sessions_ended(user_id: str, session_ids: Iterable[str], *, reason: str) -> Event:
    """reason: `logout`, `password-changed` or `refresh-token-reused`."""
    return Event("SessionsEnded", user_id, {"user_id": user_id, "session_ids": sorted(session_ids), "reason": reason})


def plan_changed(user_id: str, *, old: str, new: str, changed_by: str) -> Event:
    return Event(
        "PlanChanged", user_id, {"user_id": user_id, "old_plan": old, "new_plan": new, "changed_by": changed_by}
    )


def user_status_changed(user_id: str, *, status: str, changed_by: str) -> Event:
    """status: `active` or `disabled`."""
    return Event("UserStatusChanged", user_id, {"user_id": user_id, "status": status, "changed_by": changed_by})


def api_key_created(user_id: str, key_id: str, *, scopes: Iterable[str]) -> Event:
    return Event("ApiKeyCreated", user_id, {"user_id": user_id, "key_id": key_id, "scopes": sorted(scopes)})


def api_key_revoked(user_id: str, key_id: str) -> Event:
    return Event("ApiKeyRevoked", user_id, {"user_id": user_id, "key_id": key_id})


def service_account_created(
    service_id: str, *, kind: str, owner_id: str | None, scopes: Iterable[str], created_by: str
) -> Event:
    return Event(
        "ServiceAccountCreated",
        service_id,
        {
            "service_id": service_id,
            "kind": kind,
            "owner_id": owner_id,
            "scopes": sorted(scopes),
            "created_by": created_by,
        },
    )


def service_secret_rotated(service_id: str, *, tokens_revoked: bool, changed_by: str) -> Event:
    return Event(
        "ServiceSecretRotated",
        service_id,
        {"service_id": service_id, "tokens_revoked": tokens_revoked, "changed_by": changed_by},
    )


def service_account_revoked(service_id: str, *, changed_by: str) -> Event:
    return Event("ServiceAccountRevoked", service_id, {"service_id": service_id, "changed_by": changed_by})


def signing_keys_rotated(generation: int, *, kids: Iterable[str], reason: str) -> Event:
    """reason: `first`, `schedule`, `forced` or `compromised`. kids: all keys that verify from now on."""
    return Event(
        "SigningKeysRotated",
        f"ring-{generation}",
        {"generation": generation, "kids": sorted(kids), "reason": reason},
    )
