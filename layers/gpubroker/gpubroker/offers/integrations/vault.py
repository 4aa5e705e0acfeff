"""The keys themselves, in Secrets Manager: one secret a tenant and provider, `<path>/<tenant>/<slug>`.

A new key becomes AWSCURRENT in one step and the one before stays behind as AWSPREVIOUS, so that a change can be taken
back by hand. A removed key is deleted at once, without the usual days of recovery: who takes a key back means it.
"""

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson

from gpubroker.kernel.errors import Unavailable
from gpubroker.offers.credentials import secret_name, secrets_manager

_DELETION_S = 10


def put(tenant: str, provider: str, key: Any) -> None:
    """Make this the key. Raises Unavailable; then nobody knows which of the two stands there."""
    name, text, client = _name(tenant, provider), orjson.dumps({"key": key}).decode(), secrets_manager()
    with _reached():
        try:
            client.put_secret_value(SecretId=name, SecretString=text)
        except client.exceptions.ResourceNotFoundException:
            _create(client, name, text)
        except client.exceptions.InvalidRequestException:
            raise _going() from None


def _create(client: Any, name: str, text: str) -> None:
    try:
        client.create_secret(Name=name, SecretString=text, Description="A tenant's own key at a GPU provider.")
    except client.exceptions.InvalidRequestException:
        raise _going() from None


def current(tenant: str, provider: str) -> Any:
    """The key in force; None where there is none. Raises Unavailable."""
    client = secrets_manager()
    with _reached():
        try:
            text = client.get_secret_value(SecretId=_name(tenant, provider))["SecretString"]
        except client.exceptions.ResourceNotFoundException:
            return None
        return orjson.loads(text)["key"]


def delete(tenant: str, provider: str) -> None:
    """Forget the key; one that is not there is forgotten already. Raises Unavailable."""
    client = secrets_manager()
    with _reached():
        try:
            client.delete_secret(SecretId=_name(tenant, provider), ForceDeleteWithoutRecovery=True)
        except client.exceptions.ResourceNotFoundException:
            return


def fingerprint(tenant: str, provider: str, key: Any) -> str:
    """Sixteen hexadecimal digits that tell two keys of one tenant apart. Keyed, so that they cannot be used to try
    keys out, nor to see that two tenants have the same one."""
    told = orjson.dumps([tenant, provider, key], option=orjson.OPT_SORT_KEYS)
    return hmac.digest(_fingerprint_key(), told, hashlib.sha256)[:8].hex()


def seal(body_digest: str) -> str:
    """The digest of a body that holds a key, keyed: stored beside an idempotency key, it must not be one to try."""
    return hmac.digest(_fingerprint_key(), body_digest.encode(), hashlib.sha256).hex()


@cache
def _fingerprint_key() -> bytes:
    """An HMAC derivation of the edge secret, so that no two uses share a key."""
    return hmac.digest(os.environ["EDGE_SECRET"].encode(), b"gpubroker integration fingerprint v1", hashlib.sha256)


def _name(tenant: str, provider: str) -> str:
    return secret_name(os.environ["INTEGRATION_SECRETS"], tenant, provider)


def _going() -> Unavailable:
    return Unavailable("The key that was removed is still being deleted; ask again.", retry_after=_DELETION_S)


@contextmanager
def _reached() -> Iterator[None]:
    """Trouble with Secrets Manager, without its words."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "AccessDeniedException":
            raise  # our own fault, not a passing one
        raise Unavailable("Keys can be neither saved nor removed at the moment.", retry_after=30) from None
