"""Identifiers: new ones that sort by time, and stable ones that are made of what they name."""

import hashlib
import os
import time
from collections.abc import Callable

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_LOWER_PAIRS = tuple(high + low for high in _BASE32 for low in _BASE32)


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
    text = "".join([f"{len(part)}:{part}" for part in texts])
    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:13], "big") >> 4
    # Two characters at a time: base64.b32encode is Python too, and takes five times as long.
    high, low, pairs = bits >> 50, bits & 0x3FFFFFFFFFFFF, _LOWER_PAIRS
    return (
        f"{pairs[high >> 40]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}"
        f"{pairs[high & 1023]}{pairs[low >> 40]}{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}"
        f"{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )
