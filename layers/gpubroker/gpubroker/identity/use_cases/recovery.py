"""A forgotten password: asked for by anybody, answered alike to everybody, done by who reads the mail."""

from contextlib import suppress
from datetime import datetime

from gpubroker.identity import events, passwords
from gpubroker.identity.emails import normalised
from gpubroker.identity.ring_cache import RingCache
from gpubroker.identity.store import throttle as counts
from gpubroker.identity.store import users
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.throttle import MAIL_BY_ACCOUNT, MAIL_BY_ADDRESS, count_of, network_of
from gpubroker.identity.tokens import RESET_PASSWORD, BadToken, verified
from gpubroker.identity.views import Accepted, PasswordReset
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.ids import new_id


def forgot_password(email: str, *, address: str, now: datetime) -> Accepted:
    """Ask for a reset mail. Raises TooManyAttempts by the caller's address only."""
    email = normalised(email)
    moment = now.timestamp()
    counts.count(count_of(MAIL_BY_ADDRESS, network_of(address), moment), now=moment)
    login = users.login_of(email)
    challenge = new_id("chl")
    with suppress(users.MailThrottled):  # enough mail for this address; another answer would tell that it has one
        users.ask_for_mail(
            count_of(MAIL_BY_ACCOUNT, email, moment),
            fact=events.password_reset_requested(login.user_id, challenge) if login else None,
            challenge={"reset_challenge": challenge} if login else None,
            user_id=login.user_id if login else None,
        )
    return Accepted(message="If this address has an account, a mail is on its way.")


def reset_password(given: PasswordReset, *, keys: RingCache, now: datetime) -> None:
    """Set a new password with the token of a reset mail; it works once and ends all sessions. Raises Invalid."""
    moment = now.timestamp()
    refused = Invalid.of("token", "is not valid, was used or has expired")
    try:
        claims = verified(given.token, RESET_PASSWORD, public_key=lambda kid: keys.public_key(kid, moment), now=moment)
    except BadToken as error:
        raise refused from error
    challenge = str(claims.get("jti"))
    profile, standing = users.profile_of(claims["sub"]), standing_of(claims["sub"])
    if profile is None or standing is None or profile.reset_challenge != challenge:
        raise refused
    password_hash = passwords.hashed(passwords.acceptable(given.password, email=profile.email))
    try:
        users.reset_password(profile, challenge, password_hash=password_hash, standing=standing, now=now)
    except users.ChallengeSpent as error:
        raise refused from error
