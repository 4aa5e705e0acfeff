"""Passwords: which are taken, and how they are kept (argon2id).

Parameters are OWASP's first choice (19 MiB, two passes, one lane): about 25 ms on a whole vCPU, 50 ms in a Lambda
of 1,024 MB, and little enough memory that a burst of logins does not need larger functions.
https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
The rules are NIST SP 800-63B 5.1.1.2: length and a list of known bad ones, no composition rules.
"""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from gpubroker.kernel.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
SHORTEST = 8
LONGEST = 256

# The heads of the lists that attackers try first, of eight characters and more (shorter ones are refused anyway).
_COMMON = frozenset(
    """password password1 password12 password123 passw0rd p@ssw0rd p@ssword password! 12345678 123456789 1234567890
    11111111 00000000 87654321 88888888 123123123 12341234 123321123 qwertyuiop qwerty123 qwerty12 1q2w3e4r 1qaz2wsx
    1q2w3e4r5t zaq12wsx asdfghjk asdfghjkl zxcvbnm1 iloveyou princess sunshine football baseball superman starwars
    trustno1 welcome1 welcome123 changeme changeme1 letmein1 letmein123 administrator admin123 admin1234 abc12345
    abcd1234 a1b2c3d4 aa123456 computer internet whatever michelle jennifer corvette mercedes samantha danielle
    victoria charlie1 monkey123 dragon123 master123 shadow123 killer123 gpubroker gpubroker1 gpubroker123""".split()  # noqa: SIM905
)

# The hash of a password that nobody has: unknown e-mails cost the same work as known ones.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$MzDYljyz4xxI8m3K+4z9iw$PzH6OA9n2EbLfuHInn9L9q3q13MgcTrWbiOWlxJeKW4"


def prepared(password: str) -> str:
    """The form that is hashed: NFKC, so that the same keys typed on another system give the same bytes."""
    return unicodedata.normalize("NFKC", password)


def acceptable(password: str, *, email: str = "", field: str = "password") -> str:
    """A new password in the form to hash. Raises Invalid on `field`, and never repeats what was typed."""
    text = prepared(password)
    if len(text) < SHORTEST:
        raise Invalid.of(field, f"needs at least {SHORTEST} characters")
    if len(text) > LONGEST:
        raise Invalid.of(field, f"may have {LONGEST} characters")
    folded = text.casefold()
    if folded in _COMMON or len(set(folded)) < 3:
        raise Invalid.of(field, "is among the first that an attacker tries")
    if email and folded in (email, email.partition("@")[0]):
        raise Invalid.of(field, "is the e-mail address")
    return text


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def hashed(text: str) -> str:
    """The argon2id hash, in its usual text form, of an acceptable password."""
    return _hasher().hash(text)


def matches(stored: str, password: str) -> bool:
    """Whether a password is the one behind a hash; takes the same time either way."""
    from argon2.exceptions import VerifyMismatchError

    try:
        return _hasher().verify(stored, prepared(password))
    except VerifyMismatchError:
        return False


def outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's and should be made anew on this login."""
    return _hasher().check_needs_rehash(stored)
