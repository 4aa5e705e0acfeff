"""The client's address, from the edge and from nowhere else (DESIGN §3: never from X-Forwarded-For)."""

import hmac
import os
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def _origin_secret() -> str:
    return os.environ.get("EDGE_SECRET", "")


def viewer_address(event: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The viewer's address as CloudFront saw it, where the origin secret proves that CloudFront is speaking.

    Without the proof it is the peer of the API itself: someone who calls around the edge is that peer.
    """
    told = headers.get("cloudfront-viewer-address")
    proof = headers.get("x-origin-secret")
    secret = _origin_secret()
    if told and proof and secret and hmac.compare_digest(proof.encode(), secret.encode()):
        return told.rpartition(":")[0].strip("[]")
    context = event["requestContext"]
    return str((context.get("http") or context["identity"]).get("sourceIp", ""))  # a WebSocket's has an identity
