"""Identifiers: new ones that sort by time, and stable ones that are made of what they name."""

import hashlib
import os
import time
from base64 import b32encode
from collections.abc import Callable

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def new_id(
    prefix: str, *, now_ms: Callable[[], int] = _milliseconds, randomness: Callable[[int], bytes] = os.urandom
) -> str:
    """A fresh identifier: `<prefix>_` and a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32)."""
    value = (now_ms() << 80) | int.from_bytes(randomness(10), "big")
    digits = []
    for _ in range(13):  # two digits at a time
        value, digit = divmod(value, 1024)
        digits.append(_PAIRS[digit])
    return f"{prefix}_{''.join(reversed(digits))}"


def stable_id(*parts: object) -> str:
    """Twenty lower-case base-32 characters (100 bits of SHA-256) that the same parts always give.

    Each part is written with its length before it, so ("ab", "c") and ("a", "bc") differ.
    """
    texts = [str(part) for part in parts]
    text = "".join(f"{len(part)}:{part}" for part in texts)
    return b32encode(hashlib.sha256(text.encode()).digest()).decode()[:20].lower()
