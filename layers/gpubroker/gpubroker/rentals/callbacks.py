"""The address at which an instance, or its provider, may say "look at me now".

    POST /api/v2/rentals/callbacks/{token}

The token names tenant, rental and member and carries a MAC, so that no credential has to be given to an instance.
It is worth little: all it can do is to make us ask the provider once more.
"""

import base64
import binascii
import hashlib
import hmac
import os
from functools import cache

import orjson

from gpubroker.kernel.errors import NotFound

_MAC_BYTES = 16
_LONGEST = 512

VARIABLE = "GPUBROKER_CALLBACK_URL"
"""The environment variable by which an instance finds its address."""


class UnknownCallback(NotFound):
    code = "callback-not-found"


@cache
def _key() -> bytes:
    """An HMAC derivation of the edge secret, so that no two uses share a key."""
    return hmac.digest(os.environ["EDGE_SECRET"].encode(), b"gpubroker rental callback v1", hashlib.sha256)


def _mac(body: bytes) -> bytes:
    return hmac.digest(_key(), body, hashlib.sha256)[:_MAC_BYTES]


def token_of(tenant: str, rental_id: str, member_id: str) -> str:
    body = orjson.dumps([tenant, rental_id, member_id])
    return base64.urlsafe_b64encode(_mac(body) + body).decode().rstrip("=")


def read(token: str) -> tuple[str, str, str]:
    """(tenant, rental id, member id). Raises UnknownCallback for anything that we did not make."""
    if len(token) > _LONGEST:
        raise UnknownCallback
    try:
        raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise UnknownCallback from error
    if not hmac.compare_digest(raw[:_MAC_BYTES], _mac(raw[_MAC_BYTES:])):
        raise UnknownCallback
    tenant, rental_id, member_id = orjson.loads(raw[_MAC_BYTES:])
    return tenant, rental_id, member_id


def url_of(tenant: str, rental_id: str, member_id: str) -> str:
    """The address in the API itself (not behind the edge: it needs no caching and no viewer's address)."""
    api = os.environ["API_ID"]
    local = os.environ.get("AWS_ENDPOINT_URL")
    base = (
        f"{local.rstrip('/')}/_aws/execute-api/{api}/$default"
        if local
        else f"https://{api}.execute-api.{os.environ['AWS_REGION']}.amazonaws.com"
    )
    return f"{base}/api/v2/rentals/callbacks/{token_of(tenant, rental_id, member_id)}"
