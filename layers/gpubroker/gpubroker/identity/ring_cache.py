"""The key ring as a process remembers it.

Read again after a minute; for a key that it lacks sooner, yet never twice within ten seconds, so that tokens with
invented keys cannot make us read (once a second before there is any ring, which is the first minute of a new
installation). While DynamoDB is away the last ring holds, for an hour.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gpubroker.kernel.errors import Unavailable

if TYPE_CHECKING:
    from gpubroker.identity.keyring import Ring

FRESH_SECONDS = 60.0
AGAIN_SECONDS = 10.0
FIRST_SECONDS = 1.0
STALE_SECONDS = 3600.0


class RingCache:
    """`read` gives the stored ring, None before the first token was signed, or raises Unavailable."""

    def __init__(self, read: "Callable[[], Ring | None]") -> None:
        self._read = read
        self._ring: Ring | None = None
        self._read_at = float("-inf")
        self._tried_at = float("-inf")

    def public_key(self, kid: str, now: float) -> str | None:
        """The public half behind a key id; None when no such key counts. now: epoch seconds."""
        known = self._ring.public(kid, now) if self._ring else None
        wait = FRESH_SECONDS if known else AGAIN_SECONDS if self._ring else FIRST_SECONDS
        if now - self._tried_at < wait:
            return known
        self._tried_at = now
        try:
            self._ring = self._read()
            self._read_at = now
        except Unavailable:
            if now - self._read_at > STALE_SECONDS:
                self._tried_at = float("-inf")
                raise
        return self._ring.public(kid, now) if self._ring else None
