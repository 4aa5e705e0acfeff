"""Registering, and proving that an address is one's own.

Nothing here tells whether an address has an account: the answer is the same, so are the calls made for it, and the
password is hashed in either case. What differs goes by mail to the one person who may know.
"""

from contextlib import suppress
from datetime import datetime

from gpubroker.identity import events, passwords
from gpubroker.identity.emails import normalised
from gpubroker.identity.ring_cache import RingCache
from gpubroker.identity.store import throttle as counts
from gpubroker.identity.store import users
from gpubroker.identity.throttle import MAIL_BY_ACCOUNT, MAIL_BY_ADDRESS, REGISTER_BY_ADDRESS, count_of, network_of
from gpubroker.identity.tokens import VERIFY_EMAIL, BadToken, verified
from gpubroker.identity.views import Accepted, Registration
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.ids import new_id


def register(wanted: Registration, *, address: str, now: datetime) -> Accepted:
    """Make a free account, or, when the address has one, tell its owner by mail. Raises Invalid, TooManyAttempts."""
    email = normalised(wanted.email)
    password = passwords.acceptable(wanted.password, email=email)
    moment = now.timestamp()
    counts.count(count_of(REGISTER_BY_ADDRESS, network_of(address), moment), now=moment)
    known = users.login_of(email)
    password_hash = passwords.hashed(password)
    if known is None:
        try:
            users.add(
                user_id=new_id("usr"),
                email=email,
                name=wanted.name,
                password_hash=password_hash,
                role=Role.USER,
                plan=Plan.FREE,
                challenge=new_id("chl"),
                now=now,
            )
        except users.EmailTaken:
            known = users.login_of(email)  # somebody registered it between our two calls
    if known is not None:
        with suppress(users.MailThrottled):  # enough mail for this address; another answer would tell that it has one
            users.ask_for_mail(
                count_of(MAIL_BY_ACCOUNT, email, moment),
                fact=events.registration_repeated(known.user_id),
                challenge=None,
                user_id=known.user_id,
            )
    return Accepted(message="Look into your mail; then log in at /api/v2/auth/login.")


def resend_verification(email: str, *, address: str, now: datetime) -> Accepted:
    """Send the verification mail again, if there is an address to verify. Raises TooManyAttempts."""
    email = normalised(email)
    moment = now.timestamp()
    counts.count(count_of(MAIL_BY_ADDRESS, network_of(address), moment), now=moment)
    login = users.login_of(email)
    profile = users.profile_of(login.user_id if login else "usr_nobody")
    wanted = login is not None and profile is not None and not profile.email_verified
    challenge = new_id("chl")
    with suppress(users.MailThrottled):  # as above
        users.ask_for_mail(
            count_of(MAIL_BY_ACCOUNT, email, moment),
            fact=events.email_verification_requested(login.user_id, challenge) if login and wanted else None,
            challenge={"verify_challenge": challenge} if wanted else None,
            user_id=login.user_id if login else None,
        )
    return Accepted(message="If this address is to be verified, a mail is on its way.")


def verify_email(token: str, *, keys: RingCache, now: datetime) -> None:
    """Take the token of a verification mail. Raises Invalid."""
    moment = now.timestamp()
    try:
        claims = verified(token, VERIFY_EMAIL, public_key=lambda kid: keys.public_key(kid, moment), now=moment)
        users.verify_email(claims["sub"], str(claims.get("jti")))
    except (BadToken, users.ChallengeSpent) as error:
        raise Invalid.of("token", "is not valid, was used or has expired") from error
