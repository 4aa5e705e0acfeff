"""The keys that sign tokens, as rules: which sign, which only verify, when they change.

    next      published, signs nothing yet: every verifier knows it before it is used
    current   signs
    previous  signs nothing any more; verifies until the longest-lived token it signed has expired

The ring (public halves) is an item of the table and names the version of the secret that holds the private halves.
That item is the commit point of every change: a key signs only after its public half can be read, and of two
rotations at once one wins and the other's secret version is never looked at.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gpubroker.kernel.errors import Conflict

ROTATION_SECONDS = 30 * 24 * 3600
LONGEST_TOKEN_SECONDS = 90 * 24 * 3600
# A verifier reads the ring at least this often; a key must have been readable for longer before it signs.
RING_SECONDS = 60
SEEN_SECONDS = 10 * 60

Status = str
NEXT, CURRENT, PREVIOUS = "next", "current", "previous"


class RotationTooSoon(Conflict):
    """The next key is so young that a verifier may not know it yet."""

    code = "rotation-too-soon"


class UnknownKey(Conflict):
    code = "unknown-signing-key"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key: raw halves of 32 bytes, base64url without padding (RFC 8037)."""

    public: str
    private: str

    @property
    def kid(self) -> str:
        """RFC 7638 thumbprint of the public half."""
        canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{self.public}"}}'
        return _b64(hashlib.sha256(canonical.encode()).digest())


@dataclass(frozen=True, slots=True)
class RingKey:
    """A public key in the ring. since, retire_at: epoch seconds; retire_at only for a previous one."""

    kid: str
    public: str
    status: Status
    since: int
    retire_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """generation counts the changes; secret_version is the VersionId with the private halves of next and current."""

    generation: int
    secret_version: str
    keys: tuple[RingKey, ...]

    def public(self, kid: str, now: float) -> str | None:
        """The public half behind a kid, if tokens signed with it still count."""
        for key in self.keys:
            if key.kid == kid and (key.retire_at is None or key.retire_at > now):
                return key.public
        return None

    def the(self, status: Status) -> RingKey:
        """The next or the current key, of which there is exactly one."""
        return next(key for key in self.keys if key.status == status)

    def due(self, now: float) -> bool:
        return now - self.the(CURRENT).since >= ROTATION_SECONDS


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """What the secret holds: the pairs that sign now and next. Older private halves are destroyed."""

    current: KeyPair
    following: KeyPair


def jwks(ring: Ring | None, now: float) -> dict[str, Any]:
    """The public key set (RFC 7517); empty before the first token was signed."""
    return {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": key.public}
            for key in (ring.keys if ring else ())
            if key.retire_at is None or key.retire_at > now
        ]
    }


def first(make: Callable[[], KeyPair], now: float) -> tuple[Ring, PrivateKeys]:
    """The first ring. Its current key may sign at once: nobody holds an older ring."""
    private = PrivateKeys(make(), make())
    at = int(now)
    return (
        Ring(
            1,
            "",
            (
                RingKey(private.current.kid, private.current.public, CURRENT, at),
                RingKey(private.following.kid, private.following.public, NEXT, at),
            ),
        ),
        private,
    )


def rotated(ring: Ring, private: PrivateKeys, make: Callable[[], KeyPair], now: float) -> tuple[Ring, PrivateKeys]:
    """next becomes current, current previous, and a new next is made. Raises RotationTooSoon."""
    waiting = ring.the(NEXT)
    if now - waiting.since < SEEN_SECONDS:
        raise RotationTooSoon(f"The next key must have been public for {SEEN_SECONDS} s.")
    at = int(now)
    newest = make()
    leaving = replace(ring.the(CURRENT), status=PREVIOUS, retire_at=at + LONGEST_TOKEN_SECONDS)
    kept = tuple(key for key in ring.keys if key.status == PREVIOUS and (key.retire_at or 0) > now)
    keys = (
        replace(waiting, status=CURRENT, since=at),
        RingKey(newest.kid, newest.public, NEXT, at),
        leaving,
        *kept,
    )
    return Ring(ring.generation + 1, "", keys), PrivateKeys(private.following, newest)


def without(
    ring: Ring, private: PrivateKeys, kid: str, make: Callable[[], KeyPair], now: float
) -> tuple[Ring, PrivateKeys]:
    """The ring after a key was compromised: all that it signed is void within the verifiers' lag.

    A compromised current key is replaced by the next one at once, however young. Raises UnknownKey.
    """
    lost = next((key for key in ring.keys if key.kid == kid), None)
    if lost is None:
        raise UnknownKey("The ring has no such key.")
    at = int(now)
    rest = tuple(key for key in ring.keys if key.kid != kid)
    if lost.status == CURRENT:
        newest = make()
        rest = tuple(replace(key, status=CURRENT, since=at) if key.status == NEXT else key for key in rest)
        rest += (RingKey(newest.kid, newest.public, NEXT, at),)
        private = PrivateKeys(private.following, newest)
    elif lost.status == NEXT:
        newest = make()
        rest += (RingKey(newest.kid, newest.public, NEXT, at),)
        private = PrivateKeys(private.current, newest)
    return Ring(ring.generation + 1, "", rest), private


def new_pair() -> KeyPair:
    """A fresh Ed25519 pair."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return KeyPair(_b64(key.public_key().public_bytes_raw()), _b64(key.private_bytes_raw()))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The bytes of base64url text without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
