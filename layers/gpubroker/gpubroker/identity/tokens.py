"""The tokens we sign: JWT with EdDSA over Ed25519 (RFC 7519, RFC 8037, profile RFC 9068), made and read strictly.

Each use has an audience of its own, so that no token can be used for another purpose. Signing is deterministic:
the same claims give the same token, which is how an answer can be repeated without having been stored.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt

from gpubroker.identity.keyring import KeyPair, unb64
from gpubroker.kernel.ids import stable_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "gpubroker"
ACCESS = "gpubroker-api"
REFRESH = "gpubroker-refresh"
VERIFY_EMAIL = "gpubroker-verify-email"
RESET_PASSWORD = "gpubroker-reset-password"  # noqa: S105

ACCESS_SECONDS = 15 * 60
"""How long an access token lasts unless the stack's parameter AccessTokenSeconds says otherwise."""
REFRESH_SECONDS = 30 * 24 * 3600
SERVICE_SECONDS = 90 * 24 * 3600
LONGEST_TEXT = 4096

# Clocks of two functions may differ by this much; it loosens `nbf` only, never `exp`.
_SKEW_SECONDS = 5
_ALGORITHM = "EdDSA"
_TYPES = {ACCESS: "at+jwt", REFRESH: "rt+jwt", VERIFY_EMAIL: "mail+jwt", RESET_PASSWORD: "mail+jwt"}

PublicKeys = Callable[[str], str | None]


class BadToken(Exception):
    """Not a token of ours for this use at this moment. Says why for tests and logs; callers learn nothing of it."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The current private key, ready to sign."""

    kid: str
    key: "Ed25519PrivateKey"

    @classmethod
    def of(cls, pair: KeyPair) -> "Signer":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(pair.kid, Ed25519PrivateKey.from_private_bytes(unb64(pair.private)))

    def sign(self, audience: str, claims: Mapping[str, Any], *, at: int, seconds: int) -> str:
        """A token for one audience, valid from `at` (epoch seconds) for `seconds`."""
        payload = {"iss": ISSUER, "aud": audience, "iat": at, "nbf": at, "exp": at + seconds, **claims}
        return jwt.encode(payload, self.key, _ALGORITHM, headers={"kid": self.kid, "typ": _TYPES[audience]})


def kid_of(text: str) -> str:
    """The key that a token names, read before anything of it is believed. Raises BadToken."""
    if len(text) > LONGEST_TEXT:
        raise BadToken("too long")
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.InvalidTokenError, ValueError) as error:
        raise BadToken("unreadable") from error
    kid = header.get("kid")
    if header.get("alg") != _ALGORITHM or not isinstance(kid, str) or len(kid) > 64:
        raise BadToken("another algorithm, or no key named")
    return kid


def verified(text: str, audience: str, *, public_key: PublicKeys, now: float) -> dict[str, Any]:
    """The claims of a token that we signed for this audience and that is valid at `now`. Raises BadToken."""
    public = public_key(kid_of(text))
    if public is None:
        raise BadToken("unknown key")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        decoded = jwt.decode_complete(
            text,
            Ed25519PublicKey.from_public_bytes(unb64(public)),
            algorithms=[_ALGORITHM],
            # The clock is an argument here, so the claims are checked below and not by the library.
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise BadToken("the signature does not hold") from error
    if decoded["header"].get("typ") != _TYPES[audience]:
        raise BadToken("another type")
    claims: dict[str, Any] = decoded["payload"]
    _check(claims, audience, now)
    return claims


def _check(claims: Mapping[str, Any], audience: str, now: float) -> None:
    if claims.get("iss") != ISSUER:
        raise BadToken("foreign issuer")
    if claims.get("aud") != audience:
        raise BadToken("foreign audience")
    if not isinstance(claims.get("sub"), str):
        raise BadToken("no subject")
    if _moment(claims.get("exp")) <= now:
        raise BadToken("expired")
    if _moment(claims.get("nbf", 0)) > now + _SKEW_SECONDS:
        raise BadToken("not yet valid")


def _moment(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise BadToken("a time that is none")
    return float(value)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login or a refresh answers. expires_in, refresh_expires_in: seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int


@cache
def access_seconds() -> int:
    """The life of an access token in seconds; a revocation counts within the lag all the same."""
    return int(os.environ.get("ACCESS_TOKEN_SECONDS", ACCESS_SECONDS))


def pair_for_session(
    signer: Signer,
    *,
    user_id: str,
    session_id: str,
    refresh_id: str,
    role: str,
    plan: str,
    scopes: frozenset[str],
    at: int,
    session_expires_at: int,
) -> TokenPair:
    """The two tokens of a session. `plan` is what it was at `at`; what counts is the verified standing (204)."""
    brief = min(access_seconds(), session_expires_at - at)
    access = signer.sign(
        ACCESS,
        {
            "sub": user_id,
            "sid": session_id,
            "jti": "tok_" + stable_id(refresh_id, "access"),
            "kind": "user",
            "role": role,
            "plan": plan,
            "scope": " ".join(sorted(scopes)),
        },
        at=at,
        seconds=brief,
    )
    lasting = min(REFRESH_SECONDS, session_expires_at - at)
    refresh = signer.sign(REFRESH, {"sub": user_id, "sid": session_id, "jti": refresh_id}, at=at, seconds=lasting)
    return TokenPair(access, refresh, brief, lasting)


def for_account(
    signer: Signer,
    *,
    principal: str,
    subject: str,
    kind: str,
    scopes: frozenset[str],
    generation: int,
    token_id: str,
    at: int,
    seconds: int,
) -> str:
    """The long-lived token of a service or an agent (282). `own` says whose standing decides about it."""
    claims = {
        "sub": subject,
        "own": principal,
        "jti": token_id,
        "kind": kind,
        "gen": generation,
        "scope": " ".join(sorted(scopes)),
    }
    return signer.sign(ACCESS, claims, at=at, seconds=seconds)
