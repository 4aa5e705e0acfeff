"""Signing secrets at rest: AES-256-GCM under one master key in Secrets Manager (docs/decisions.md says why).

A secret is bound to its webhook: what is copied to another item cannot be opened there. The master key is read again
after five minutes; while Secrets Manager is away, what was read last is used for at most an hour (228).
"""

import base64
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from gpubroker.kernel.errors import Unavailable

FRESH_SECONDS = 300.0
AT_MOST_SECONDS = 3600.0
_RETRY_SECONDS = 15.0
_FORM = "v1:"
_NONCE_BYTES = 12


class SecretsUnavailable(Unavailable):
    code = "webhook-secrets-unavailable"
    title = "Signing secrets cannot be read or made at the moment"


class Vault:
    """Seals and opens. `read` gives the master key's text."""

    def __init__(
        self,
        read: Callable[[], str],
        *,
        clock: Callable[[], float] = time.monotonic,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._read, self._clock, self._randomness = read, clock, randomness
        self._cipher: Any = None
        self._read_at = self._next_try = float("-inf")

    def __repr__(self) -> str:
        return "Vault(...)"

    def seal(self, secret: str, *, tenant: str, webhook_id: str) -> str:
        """Text that may be stored. Raises SecretsUnavailable."""
        nonce = self._randomness(_NONCE_BYTES)
        sealed = self._key().encrypt(nonce, secret.encode(), _bound(tenant, webhook_id))
        return _FORM + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, tenant: str, webhook_id: str) -> str:
        """The secret. Raises SecretsUnavailable; ValueError for what was not sealed here for this webhook."""
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(_FORM):
            raise ValueError("a sealed secret of another form")
        raw = base64.b64decode(sealed.removeprefix(_FORM), validate=True)
        try:
            opened: bytes = self._key().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(tenant, webhook_id))
        except InvalidTag:
            raise ValueError("a secret that this key did not seal for this webhook") from None
        return opened.decode()

    def _key(self) -> Any:
        now = self._clock()
        if now >= self._next_try:
            try:
                self._cipher, self._read_at = _cipher(self._read()), now
                self._next_try = now + FRESH_SECONDS
            except Exception as error:
                self._next_try = now + _RETRY_SECONDS
                from gpubroker.messaging.log import logger

                # Without the cause's text, which may quote what was read.
                logger().error("the webhooks' master key cannot be read", extra={"error": type(error).__name__})
        if self._cipher is None or now - self._read_at > AT_MOST_SECONDS:
            self._next_try = float("-inf")
            raise SecretsUnavailable("Signing secrets cannot be used at the moment.", retry_after=15)
        return self._cipher


def _cipher(master: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(master) < 32:
        raise ValueError("the master key is too short")
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"gpubroker webhook secrets v1").derive(master.encode()))


def _bound(tenant: str, webhook_id: str) -> bytes:
    return f"{tenant}\x1f{webhook_id}".encode()


@cache
def _secrets_manager() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("secretsmanager", config=config)


@cache
def vault() -> Vault:
    """The vault whose master key WEBHOOK_KEY_ARN names."""
    secret_id = os.environ["WEBHOOK_KEY_ARN"]
    return Vault(lambda: str(_secrets_manager().get_secret_value(SecretId=secret_id)["SecretString"]))
