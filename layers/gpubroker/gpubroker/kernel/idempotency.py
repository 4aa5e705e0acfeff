"""The promise behind `Idempotency-Key`: one effect, and the same answer for ever after (DESIGN §3)."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idempotency:
    """One use of a key: whose, on which route, and for what body (`fingerprint`, a SHA-256 of the bytes as sent)."""

    key: str
    tenant: str
    route: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, *, tenant: str, route: str, body: bytes) -> "Idempotency":
        return cls(key, tenant, route, hashlib.sha256(body).hexdigest())
