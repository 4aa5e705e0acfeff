"""API keys and service secrets: `gpb_`, a letter, the owner's ULID, 43 random characters.

The owner is part of the key, so that one read of the owner's standing decides about it: plan, state and revocation
are in the same item and can never disagree. 43 characters of 62 hold 256 bits, so a plain SHA-256 is all the
hashing that the stored side needs (a slow hash protects guessable secrets; this one is not).
"""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass

PREFIX = "gpb_"
_ALPHABET = string.ascii_letters + string.digits
_KEY = re.compile(r"gpb_([US])([0-9A-HJKMNP-TV-Z]{26})[0-9A-Za-z]{43}", re.ASCII)
_LETTERS = {"usr": "U", "svc": "S"}
_PREFIXES = {letter: prefix for prefix, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the text is shown once and stored nowhere."""

    text: str
    digest: str

    @property
    def last_four(self) -> str:
        return self.text[-4:]


def new_key(principal: str) -> NewKey:
    """A key of a principal (`usr_<ULID>` or `svc_<ULID>`)."""
    prefix, _, ulid = principal.partition("_")
    text = PREFIX + _LETTERS[prefix] + ulid + "".join(secrets.choice(_ALPHABET) for _ in range(43))
    return NewKey(text, digest_of(text))


def principal_of(text: str) -> str | None:
    """Whose key this would be; None when it has not the form of a key, which costs no read to find out."""
    match = _KEY.fullmatch(text)
    return f"{_PREFIXES[match[1]]}_{match[2]}" if match else None


def digest_of(text: str) -> str:
    """What is stored and compared: SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
