"""What must not be kept: keys that name a secret, and values that look like one. Pure.

Rather too much is taken out than too little: an audit log is read by more people than any of these should be.
"""

import re
from typing import Any

REMOVED = "[removed]"

# Whole words of a key, in whatever way it is written: apiKey, api-key, API_KEY, x-api-key.
_SECRET_WORDS = frozenset(
    {
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "cvc",
        "cvv",
        "iban",
        "jwt",
        "mnemonic",
        "otp",
        "passcode",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pin",
        "pwd",
        "secret",
        "secrets",
        "signature",
        "ssn",
        "token",
        "tokens",
        "totp",
    }
)
# What may be a secret as a number too; a number of tokens is none.
_SECRET_NUMBERS = frozenset({"cvc", "cvv", "otp", "passcode", "passwd", "password", "pin", "pwd", "ssn", "totp"})
_SECRET_JOINED = re.compile(
    r"apikey|accesskey|privatekey|secretkey|signingkey|sshkey|sessionid|sessionkey|cardnumber|accountnumber|clientsecret"
    r"|password|passphrase|secret|authtoken|accesstoken|refreshtoken"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_VALUES = re.compile(
    r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"  # a JWT
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?i:\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,})"
    r"|\bgpb_[A-Za-z0-9]{16,}"  # ours (identity/api_keys.py)
    r"|\bwhsec_[A-Za-z0-9+/=]{8,}"
    r"|\b(?:sk|pk|rk)[-_](?:live[-_]|test[-_]|proj-|ant-)?[A-Za-z0-9_-]{12,}"
    r"|\bhf_[A-Za-z0-9]{16,}|\b(?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abprs]-[A-Za-z0-9-]{8,}|\bAIza[0-9A-Za-z_-]{30,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # the user name and password of a URL
    r"|(?i:(?<=[?&;\s])(?:api[_-]?key|access[_-]?token|token|secret|password|signature)=[^&\s]+)",
    re.DOTALL,
)
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")


def without_secrets(value: Any) -> Any:
    """The same JSON value with every secret replaced by `[removed]`."""
    if isinstance(value, dict):
        return {
            without_secrets(key): REMOVED if _is_secret(key, part) else without_secrets(part)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    if isinstance(value, str):
        return _DIGITS.sub(_card, _SECRET_VALUES.sub(REMOVED, value))
    if isinstance(value, int) and not isinstance(value, bool) and _is_card(str(value)):
        return REMOVED
    return value


def names_secret(key: str) -> bool:
    """Whether what stands under a key is a secret by its name."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return not _SECRET_WORDS.isdisjoint(words) or _SECRET_JOINED.search("".join(words)) is not None


def _is_secret(key: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        words = {word.lower() for word in _WORDS.findall(key)}
        return not _SECRET_NUMBERS.isdisjoint(words)
    return names_secret(key)


def _card(found: re.Match[str]) -> str:
    return REMOVED if _is_card(re.sub(r"[ -]", "", found[0])) else found[0]


def _is_card(digits: str) -> bool:
    """Whether digits are the number of a payment card: an issuer's first digit and Luhn's check."""
    if not (13 <= len(digits) <= 19 and digits[0] in "23456"):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0
