"""The processor's webhooks: Standard Webhooks (https://www.standardwebhooks.com), symmetric, read strictly.

`webhook-signature` holds one or more `v1,<base64 of HMAC-SHA256 over id.timestamp.body>`, several while a secret is
being changed. A message is good for five minutes either way, so that a recorded one cannot be played later; within them
playing it again changes nothing, since a payment's state never goes back.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from gpubroker.kernel.errors import Unauthenticated

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"


class BadSignature(Unauthenticated):
    code = "bad-webhook-signature"
    title = "This webhook is not signed as it should be"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature."""
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: float) -> None:
    """Raises BadSignature; says nothing of which part was wrong. Header names in lower case."""
    wrong = BadSignature("The signature, its time or its id is wrong.")
    message_id = headers.get("webhook-id", "")
    given = headers.get("webhook-signature", "").split(" ")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise wrong
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise wrong
    try:
        expected = [sign(secret, message_id, int(timestamp), body) for secret in secrets]
    except (ValueError, binascii.Error) as error:
        raise wrong from error
    # All are compared, in constant time each: how long it takes tells nothing of how nearly right one was.
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in given]
    if not any(matches):
        raise wrong
