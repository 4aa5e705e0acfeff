"""What an administrator changes about users: plan and status."""

from contextlib import suppress
from datetime import datetime

from gpubroker.identity import passwords
from gpubroker.identity.emails import normalised
from gpubroker.identity.store import users
from gpubroker.identity.store.items import Identity
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.use_cases.moments import shown
from gpubroker.identity.verify import LAG_SECONDS
from gpubroker.identity.views import PlanView, StatusView, UserView
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.storage.idempotency import replay
from gpubroker.storage.transaction import AlreadyDone, StaleVersion


class OwnAccount(Conflict):
    """Locking oneself out is not something to do by accident."""

    code = "own-account"
    title = "An administrator cannot disable their own account"


def user_of(user_id: str) -> UserView:
    """Raises NotFound."""
    profile = users.profile_of(user_id) if user_id.startswith("usr_") else None
    standing = standing_of(user_id) if profile else None
    if profile is None or standing is None:
        raise NotFound("There is no such user.")
    return UserView(
        user_id=user_id,
        email=profile.email,
        email_verified=profile.email_verified,
        name=profile.name,
        role=standing.role.value,
        plan=standing.plan,
        status="disabled" if standing.disabled else "active",
        created_at=shown(profile.created_at),
    )


def user_with_email(email: str) -> UserView:
    """Raises NotFound, Invalid."""
    login = users.login_of(normalised(email))
    if login is None:
        raise NotFound("There is no such user.")
    return user_of(login.user_id)


def change_plan(caller: Caller, user_id: str, plan: Plan, *, idempotency: Idempotency | None) -> PlanView:
    """Put a user on a plan, with all their keys and agents; every function knows within the verifiers' lag.

    Raises NotFound; StaleVersion when another administrator was first.
    """
    standing = standing_of(user_id) if user_id.startswith("usr_") else None
    if standing is None:
        raise NotFound("There is no such user.")
    view = PlanView(user_id=user_id, plan=plan, previous_plan=standing.plan, effective_within_seconds=int(LAG_SECONDS))
    if standing.plan == plan:
        return _stored(idempotency) or view  # nothing to change: either this request did it before, or it was so
    answer = view.model_dump(mode="json")
    try:
        users.change_plan(
            user_id, old=standing.plan, new=plan, changed_by=caller.subject, idempotency=idempotency, answer=answer
        )
    except AlreadyDone:
        if idempotency is None:
            raise
        return PlanView.model_validate(replay(Identity, idempotency))
    return view


def _stored(idempotency: Idempotency | None) -> PlanView | None:
    try:
        return PlanView.model_validate(replay(Identity, idempotency)) if idempotency else None
    except Conflict:
        return None


def change_status(caller: Caller, user_id: str, *, disabled: bool) -> StatusView:
    """Disable or enable a user and all their credentials. Raises NotFound, OwnAccount."""
    if user_id == caller.subject and disabled:
        raise OwnAccount
    standing = standing_of(user_id) if user_id.startswith("usr_") else None
    if standing is None:
        raise NotFound("There is no such user.")
    if standing.disabled != disabled:
        with suppress(StaleVersion):  # another administrator did the same in this moment
            users.change_status(user_id, disabled=disabled, changed_by=caller.subject)
    return StatusView(
        user_id=user_id,
        status="disabled" if disabled else "active",
        effective_within_seconds=int(LAG_SECONDS),
    )


def create_admin(email: str, password: str, *, name: str | None, now: datetime) -> str:
    """An administrator, verified by being made by who owns the account; a user of that address is raised to one.

    For infra/admin.py only: no API reaches it. An existing user's password stays. Gives the user id.
    """
    email = normalised(email)
    known = users.login_of(email)
    if known is None:
        user_id = new_id("usr")
        users.add(
            user_id=user_id,
            email=email,
            name=name,
            password_hash=passwords.hashed(passwords.acceptable(password, email=email)),
            role=Role.ADMIN,
            plan=Plan.ENTERPRISE,
            challenge=None,
            now=now,
        )
        return user_id
    users.make_admin(known.user_id)
    return known.user_id
