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
    return f"{prefix}_{_crockford((now_ms() << 80) | int.from_bytes(randomness(10), 'big'))}"


def named_id(prefix: str, *parts: object) -> str:
    """An identifier of the form of `new_id` that the same parts always give (130 bits of SHA-256): what is made once
    however often somebody sets about making it. It does not sort by time."""
    return f"{prefix}_{_crockford(int.from_bytes(_digest(parts)[:17], 'big'))}"


def stable_id(*parts: object) -> str:
    """Twenty lower-case base-32 characters (100 bits of SHA-256) that the same parts always give.

    Each part is written with its length before it, so ("ab", "c") and ("a", "bc") differ.
    """
    bits = int.from_bytes(_digest(parts)[:13], "big") >> 4
    # Two characters at a time: base64.b32encode is Python too, and takes five times as long.
    high, low, pairs = bits >> 50, bits & 0x3FFFFFFFFFFFF, _LOWER_PAIRS
    return (
        f"{pairs[high >> 40]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}"
        f"{pairs[high & 1023]}{pairs[low >> 40]}{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}"
        f"{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def _digest(parts: tuple[object, ...]) -> bytes:
    texts = [str(part) for part in parts]
    return hashlib.sha256("".join([f"{len(part)}:{part}" for part in texts]).encode()).digest()


def _crockford(value: int) -> str:
    """The last 130 bits of a number as 26 digits."""
    digits = []
    for _ in range(13):  # two at a time
        value, digit = divmod(value, 1024)
        digits.append(_PAIRS[digit])
    return "".join(reversed(digits))
