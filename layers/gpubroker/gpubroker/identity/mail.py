"""What identity writes to people: the texts."""

from dataclasses import dataclass

from gpubroker.identity.tokens import RESET_PASSWORD, VERIFY_EMAIL
from gpubroker.messaging.mail import Mail

VERIFY_SECONDS = 3 * 24 * 3600
RESET_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Letter:
    """A kind of mail. audience: whose token it carries, None for none; seconds: how long that token works."""

    subject: str
    text: str
    audience: str | None = None
    seconds: int = 0
    challenge: str = ""


# By the event that asks for it. Tokens are made when the mail is, never stored and never on the bus.
LETTERS: dict[str, Letter] = {
    "EmailVerificationRequested": Letter(
        "Verify your e-mail address",
        "Welcome to GPUBROKER.\n\nTo show that this address is yours, send this token to /api/v2/auth/email/verify"
        ' as {{"token": "..."}}:\n\n{token}\n\nIt works once, within three days. If you did not register, ignore this'
        " mail; nobody can use the address without it.\n",
        VERIFY_EMAIL,
        VERIFY_SECONDS,
        "verify_challenge",
    ),
    "PasswordResetRequested": Letter(
        "Reset your password",
        "Somebody, probably you, asked for a new password.\n\nTo set one, send this token to"
        ' /api/v2/auth/password/reset as {{"token": "...", "password": "..."}}:\n\n{token}\n\nIt works once, within'
        " an hour, and logs you out everywhere. If it was not you, ignore this mail; your password stays as it is.\n",
        RESET_PASSWORD,
        RESET_SECONDS,
        "reset_challenge",
    ),
    "RegistrationRepeated": Letter(
        "You have an account already",
        "Somebody, perhaps you, tried to register with this address, which has an account.\n\nLog in as before; if the"
        " password is lost, ask for a new one at /api/v2/auth/password/forgot. If it was not you, nothing happened.\n",
    ),
    "PasswordChanged": Letter(
        "Your password was changed",
        "The password of your GPUBROKER account was changed, and the other sessions were ended.\n\nIf it was not you,"
        " ask for a new one at /api/v2/auth/password/forgot at once.\n",
    ),
}


def written(letter: Letter, *, to: str, token: str) -> Mail:
    return Mail(to, f"GPUBROKER: {letter.subject}", letter.text.format(token=token))
