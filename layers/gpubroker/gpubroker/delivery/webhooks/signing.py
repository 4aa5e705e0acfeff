"""Standard Webhooks, symmetric (https://www.standardwebhooks.com): `v1,<base64 of HMAC-SHA256>` over the raw bytes of
`id.timestamp.body`, one for each secret in force, separated by spaces."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret(randomness: Callable[[int], bytes]) -> str:
    """A secret as its owner keeps it."""
    return PREFIX + base64.b64encode(randomness(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature. Raises ValueError for a secret that is none."""
    encoded = secret.removeprefix(PREFIX)
    key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    if not key:
        raise ValueError("the secret is empty")
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of an attempt at `at`. The id stays the same in every attempt, the time does not."""
    timestamp = int(at.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }
