"""Opaque, signed cursors: where a list goes on, for one caller and one query (DESIGN §3).

A cursor is base64url of a MAC and a JSON position. The MAC covers the tenant and the query too, so that a cursor
cannot be carried to another query or another tenant, and nobody can read a storage key out of a changed one.
"""

import base64
import binascii
import hashlib
import hmac
import os
from functools import cache
from typing import Any

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid

_MAC_BYTES = 12
_LONGEST = 2048


@cache
def _key() -> bytes:
    """The cursor key: an HMAC derivation of the edge secret, so that the two uses never share a key."""
    return hmac.digest(os.environ["EDGE_SECRET"].encode(), b"gpubroker cursor v1", hashlib.sha256)


def _mac(position: bytes, caller: Caller | None, query: str) -> bytes:
    tenant = caller.tenant if caller else ""
    scope = f"{tenant}\x1f{query}\x1f".encode()
    return hmac.digest(_key(), scope + position, hashlib.sha256)[:_MAC_BYTES]


def encode(position: list[Any], *, caller: Caller | None, query: str) -> str:
    """A cursor to `position` (plain JSON values), good for this caller's tenant and this query only.

    `query` is any stable text of the filters and the order that the position belongs to.
    """
    body = orjson.dumps(position)
    return base64.urlsafe_b64encode(_mac(body, caller, query) + body).decode().rstrip("=")


def decode(cursor: str, *, caller: Caller | None, query: str) -> list[Any]:
    """The position of a cursor. Raises Invalid on field `cursor` for anything but our own for this very query."""
    wrong = Invalid.of("cursor", "is not a cursor of this query; start again without it")
    if len(cursor) > _LONGEST:
        raise wrong
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise wrong from error
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, caller, query)):
        raise wrong
    position = orjson.loads(body)
    assert isinstance(position, list)  # noqa: S101  we signed it, so we wrote it
    return position
