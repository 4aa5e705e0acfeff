"""Users: their login, profile and standing, written together or not at all."""

from dataclasses import asdict, dataclass
from datetime import datetime

from gpubroker.identity import events
from gpubroker.identity.standing import Session, Standing
from gpubroker.identity.store import throttle as counts
from gpubroker.identity.store.items import Identity, KeyItem, LoginItem, ProfileItem, StandingItem, found
from gpubroker.identity.store.standings import key_of
from gpubroker.identity.throttle import Count
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage.idempotency import remember
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, Writes, transaction

PROFILE = "PROFILE"


class EmailTaken(Conflict):
    """Another account has this address. Never shown to a caller: it would tell who our customers are."""

    code = "email-taken"


class MailThrottled(Exception):
    """This address was sent enough mail for now."""


class ChallengeSpent(Conflict):
    """A mailed token was used before, or a newer one was asked for."""

    code = "challenge-spent"


@dataclass(frozen=True, slots=True)
class Login:
    email: str
    user_id: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Profile:
    """created_at: epoch seconds. The challenges are ids of the mailed tokens that work now."""

    user_id: str
    email: str
    name: str | None
    email_verified: bool
    created_at: int
    verify_challenge: str | None
    reset_challenge: str | None


def login_of(email: str) -> Login | None:
    """How the owner of a (normalised) address gets in."""
    item: LoginItem | None = found(LoginItem, _email_pk(email), "LOGIN")
    return Login(email, item.user_id, item.password_hash) if item else None


def profile_of(user_id: str) -> Profile | None:
    item: ProfileItem | None = found(ProfileItem, user_id, PROFILE)
    if item is None:
        return None
    return Profile(
        user_id=item.pk,
        email=item.email,
        name=item.name,
        email_verified=item.email_verified,
        created_at=int(item.created_at),
        verify_challenge=item.verify_challenge,
        reset_challenge=item.reset_challenge,
    )


def add(
    *,
    user_id: str,
    email: str,
    name: str | None,
    password_hash: str,
    role: Role,
    plan: Plan,
    challenge: str | None,
    now: datetime,
) -> None:
    """A new user; with a challenge its address is to be verified, without it counts as verified.

    Raises EmailTaken, and writes nothing, when the address has an account: of two at once one wins.
    """
    profile = ProfileItem(
        user_id,
        PROFILE,
        email=email,
        name=name,
        email_verified=challenge is None,
        created_at=int(now.timestamp()),
        verify_challenge=challenge,
    )
    with transaction(Identity) as tx:
        login = LoginItem(_email_pk(email), "LOGIN", user_id=user_id, password_hash=password_hash)
        tx.put(login, condition=LoginItem.pk.does_not_exist(), lost=EmailTaken)
        tx.put(profile, condition=ProfileItem.pk.does_not_exist())
        standing = StandingItem(user_id, "STANDING", role=role.value, plan=plan.value)
        tx.put(standing, condition=StandingItem.pk.does_not_exist())
        _publish(tx, events.user_registered(user_id, plan=plan.value, at=now))
        if challenge is not None:
            _publish(tx, events.email_verification_requested(user_id, challenge))


def ask_for_mail(mails: Count, *, fact: Event | None, challenge: dict[str, str] | None, user_id: str | None) -> None:
    """Count one mail to an address and, if the address has an account, publish the fact that it is wanted.

    Written alike for known and unknown addresses, so that the time of the answer tells nobody which it was.
    Raises MailThrottled.
    """
    with transaction(Identity) as tx:
        counts.add(tx, mails, lost=MailThrottled)
        if fact is not None:
            _publish(tx, fact)
        if challenge is not None and user_id is not None:
            actions = [getattr(ProfileItem, name).set(value) for name, value in challenge.items()]
            tx.update(ProfileItem(user_id, PROFILE), actions=actions, condition=ProfileItem.pk.exists())


def verify_email(user_id: str, challenge: str) -> None:
    """Raises ChallengeSpent."""
    with transaction(Identity) as tx:
        tx.update(
            ProfileItem(user_id, PROFILE),
            actions=[ProfileItem.email_verified.set(True), ProfileItem.verify_challenge.remove()],
            condition=ProfileItem.verify_challenge == challenge,
            lost=ChallengeSpent,
        )
        _publish(tx, events.email_verified(user_id))


def reset_password(profile: Profile, challenge: str, *, password_hash: str, standing: Standing, now: datetime) -> None:
    """A new password by mail. Ends all sessions, and proves the address: what somebody else may have set up under an
    address that was not theirs (keys of an account never verified) ends too. Raises ChallengeSpent."""
    user_id = profile.user_id
    with transaction(Identity) as tx:
        tx.update(
            ProfileItem(user_id, PROFILE),
            actions=[
                ProfileItem.email_verified.set(True),
                ProfileItem.reset_challenge.remove(),
                ProfileItem.verify_challenge.remove(),
            ],
            condition=ProfileItem.reset_challenge == challenge,
            lost=ChallengeSpent,
        )
        _set_password(tx, profile, password_hash)
        ending = [StandingItem.sessions.set({})]
        if not profile.email_verified:
            ending.append(StandingItem.api_keys.set({}))
            for key_id in standing.keys:
                key = KeyItem(user_id, f"KEY#{key_id}")
                tx.update(key, actions=[KeyItem.revoked_at.set(int(now.timestamp()))])
                _publish(tx, events.api_key_revoked(user_id, key_id))
            _publish(tx, events.email_verified(user_id))
        tx.update(key_of(user_id), actions=ending, condition=StandingItem.pk.exists())
        _publish(tx, events.password_changed(user_id, reason="reset"))
        if standing.sessions:
            _publish(tx, events.sessions_ended(user_id, standing.sessions, reason="password-changed"))


def change_password(profile: Profile, *, old_hash: str, new_hash: str, ended: list[str]) -> None:
    """A new password by its owner, who keeps the session in use. Raises StaleVersion when it changed meanwhile."""
    with transaction(Identity) as tx:
        tx.update(
            LoginItem(_email_pk(profile.email), "LOGIN"),
            actions=[LoginItem.password_hash.set(new_hash)],
            condition=LoginItem.password_hash == old_hash,
            lost=StaleVersion,
        )
        _publish(tx, events.password_changed(profile.user_id, reason="change"))
        _end_sessions(tx, profile.user_id, ended, reason="password-changed")


def rehash(login: Login, password_hash: str) -> None:
    """The same password under today's parameters. Raises StaleVersion when it was changed meanwhile."""
    with transaction(Identity) as tx:
        tx.update(
            LoginItem(_email_pk(login.email), "LOGIN"),
            actions=[LoginItem.password_hash.set(password_hash)],
            condition=LoginItem.password_hash == login.password_hash,
            lost=StaleVersion,
        )


def start_session(
    user_id: str, session_id: str, session: Session, *, ending: list[str], tries: tuple[Count, Count]
) -> None:
    """A login: the session, the end of those it supersedes, and the tries (account, address) that were no guesses."""
    account, address = tries
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[
                StandingItem.sessions[session_id].set(asdict(session)),
                *(StandingItem.sessions[ended].remove() for ended in ending),
            ],
            condition=StandingItem.pk.exists() & (StandingItem.disabled == False),  # noqa: E712 - an expression
        )
        counts.clear(tx, account)
        counts.give_back(tx, address)


def rotate_session(user_id: str, session_id: str, session: Session) -> None:
    """The next pair of a session. Raises StaleVersion when the refresh token before it was used meanwhile."""
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.sessions[session_id].set(asdict(session))],
            condition=StandingItem.sessions[session_id]["refresh_id"] == session.previous_id,
            lost=StaleVersion,
        )


def end_sessions(user_id: str, session_ids: list[str], *, reason: str) -> None:
    """End sessions that may be over already. Raises StaleVersion when there is no such user."""
    with transaction(Identity) as tx:
        _end_sessions(tx, user_id, session_ids, reason=reason)


def change_plan(
    user_id: str, *, old: Plan, new: Plan, changed_by: str, idempotency: Idempotency | None, answer: dict[str, str]
) -> None:
    """Raises StaleVersion when the plan is not `old` any more; AlreadyDone on a repeated request."""
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.plan.set(new.value)],
            condition=StandingItem.plan == old.value,
            lost=StaleVersion,
        )
        _publish(tx, events.plan_changed(user_id, old=old.value, new=new.value, changed_by=changed_by))
        remember(tx, Identity, idempotency, answer)


def change_status(user_id: str, *, disabled: bool, changed_by: str) -> None:
    """Raises StaleVersion when the user is in that state already."""
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.disabled.set(disabled)],
            condition=StandingItem.pk.exists() & (StandingItem.disabled == (not disabled)),
            lost=StaleVersion,
        )
        status = "disabled" if disabled else "active"
        _publish(tx, events.user_status_changed(user_id, status=status, changed_by=changed_by))


def make_admin(user_id: str) -> None:
    """Raise a user to administrator, whatever the plan. Only infra/admin.py calls this."""
    with transaction(Identity) as tx:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.role.set(Role.ADMIN.value)],
            condition=StandingItem.pk.exists(),
        )


def _end_sessions(tx: Writes, user_id: str, session_ids: list[str], *, reason: str) -> None:
    if session_ids:
        tx.update(
            key_of(user_id),
            actions=[StandingItem.sessions[session_id].remove() for session_id in session_ids],
            condition=StandingItem.pk.exists(),
        )
        _publish(tx, events.sessions_ended(user_id, session_ids, reason=reason))


def _set_password(tx: Writes, profile: Profile, password_hash: str) -> None:
    tx.update(
        LoginItem(_email_pk(profile.email), "LOGIN"),
        actions=[LoginItem.password_hash.set(password_hash)],
        condition=LoginItem.user_id == profile.user_id,
    )


def _publish(tx: Writes, event: Event) -> None:
    tx.put(outbox_item(Identity, event, source=events.SOURCE))


def _email_pk(email: str) -> str:
    return f"EMAIL#{email}"
