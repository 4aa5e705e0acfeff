"""Who a credential belongs to: the check that every function makes on every request that carries one.

A credential is looked at once and remembered by its hash for at most `LAG_SECONDS`; so long may a revocation, a new
plan or a disabled account take to be seen here, and not longer. A new credential costs one GetItem (the standing of
its owner, read consistently), and one more a minute for the key ring. What is not signed by us costs none.

Imports stay slim: signatures and storage are loaded when the first credential has to be checked.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gpubroker.identity.ring_cache import RingCache
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from gpubroker.identity.keyring import Ring
    from gpubroker.identity.standing import Standing

LAG_SECONDS = 30.0
MEMO_SIZE = 4096

_REFUSED = "The credential is not valid, has expired or was revoked."

StandingOf = Callable[[str], "Standing | None"]
RingNow = Callable[[], "Ring | None"]
_V = TypeVar("_V")


def _stored_standing(principal: str) -> "Standing | None":
    from gpubroker.identity.store.standings import standing_of

    return standing_of(principal)


def _stored_ring() -> "Ring | None":
    from gpubroker.identity.store.ring import ring

    return ring()


class Verifier:
    """One per process. `standing_of` and `ring` are reads; the defaults read the IdentityTable."""

    def __init__(
        self,
        *,
        standing_of: StandingOf = _stored_standing,
        ring: RingNow = _stored_ring,
        lag_seconds: float = LAG_SECONDS,
        size: int = MEMO_SIZE,
    ) -> None:
        self._standing_of = standing_of
        self._ring = RingCache(ring)
        self._lag = lag_seconds
        self._size = size
        self._known: dict[bytes, tuple[float, Caller]] = {}
        # Apart, so that wrong credentials cannot push right ones out.
        self._refused: dict[bytes, float] = {}

    def caller_of(self, headers: Mapping[str, str], address: str, now: float | None = None) -> Caller:
        """The verified caller of a request, the anonymous one without credentials.

        headers have lower-case names, as HTTP APIs send them; now is epoch seconds. Raises Unauthenticated for
        credentials that do not hold, Unavailable when that cannot be found out. `X-Plan` is read by nobody (204).
        """
        text = credential_in(headers)
        if text is None:
            return Caller(Role.ANONYMOUS, address=address)
        return self.caller_of_text(text, address, now)

    def caller_of_text(self, text: str, address: str, now: float | None = None) -> Caller:
        """The caller that one credential stands for: an access token, an API key or a service secret."""
        moment = time.time() if now is None else now
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        entry = self._known.get(digest)
        if entry is not None and moment < entry[0]:
            caller = entry[1]
            return caller if caller.address == address else replace(caller, address=address)
        if moment < self._refused.get(digest, moment):
            raise Unauthenticated(_REFUSED)
        from gpubroker.identity.api_keys import PREFIX

        look = self._by_key if text.startswith(PREFIX) else self._by_token
        found = look(text, digest, address, moment)
        if found is None:
            raise Unauthenticated(_REFUSED)
        caller, expires = found
        _remember(self._known, digest, (min(moment + self._lag, expires), caller), self._size)
        return caller

    def _by_key(self, text: str, digest: bytes, address: str, now: float) -> tuple[Caller, float] | None:
        from gpubroker.identity.api_keys import principal_of
        from gpubroker.identity.standing import caller_of_key

        principal = principal_of(text)
        if principal is None:
            return None
        standing = self._standing_of(principal)
        found = caller_of_key(standing, text, address=address, now=now) if standing else None
        if found is None:
            self._refuse(digest, now)
            return None
        caller, expires = found
        return caller, float("inf") if expires is None else expires

    def _by_token(self, text: str, digest: bytes, address: str, now: float) -> tuple[Caller, float] | None:
        from gpubroker.identity.standing import caller_of_claims
        from gpubroker.identity.tokens import ACCESS, BadToken, verified

        try:
            claims = verified(text, ACCESS, public_key=lambda kid: self._ring.public_key(kid, now), now=now)
        except BadToken:
            return None  # found out without a read, so there is nothing to spare by remembering it
        standing = self._standing_of(str(claims.get("own", claims["sub"])))
        caller = caller_of_claims(standing, claims, address=address, now=now) if standing else None
        if caller is None:
            self._refuse(digest, now)
            return None
        return caller, float(claims["exp"])

    def _refuse(self, digest: bytes, now: float) -> None:
        _remember(self._refused, digest, now + self._lag, self._size)


def credential_in(headers: Mapping[str, str]) -> str | None:
    """The one credential of a request: `X-API-Key: <key>` or `Authorization: Bearer <token or key>`.

    Two are refused rather than one of them chosen; so is any other scheme.
    """
    key = headers.get("x-api-key")
    bearer = headers.get("authorization")
    if bearer is None:
        if key is None:
            return None
        if not key.strip():
            raise Unauthenticated("X-API-Key is empty.")
        return key.strip()
    if key is not None:
        raise Unauthenticated("Send one credential, not two.")
    scheme, _, text = bearer.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("Send `Authorization: Bearer <token>` or `X-API-Key: <key>`.")
    return text.strip()


def _remember(memo: dict[bytes, _V], digest: bytes, entry: _V, size: int) -> None:
    """Keep an entry; beyond the size the oldest goes. Entries live half a minute, so age is a fair order."""
    memo.pop(digest, None)
    while len(memo) >= size:
        del memo[next(iter(memo))]
    memo[digest] = entry
