"""The platform's keys for the providers (R9.1-R9.4, checklist 226-229): one secret, cached, never shown.

The secret is JSON: {"<provider slug>": "<key>"}, or {"<slug>": {"client_id": ..., "client_secret": ...}} for Verda.
Read again after five minutes. While Secrets Manager is away, what was read last is used for at most one hour.
"""

import functools
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

log = logging.getLogger(__name__)

FRESH = 300.0
"""Seconds for which a read secret is not asked for again."""

AT_MOST = 3600.0
"""Seconds after which keys that could not be read again are no longer used."""

_RETRY = 15.0


class CredentialsUnavailable(Exception):
    """The keys cannot be read, and what was read last is too old to be used."""


class ProviderKeys(Mapping[str, Any]):
    """Keys by provider slug, read on first use. A provider without a key is simply not in it."""

    def __init__(self, read: Callable[[], str | bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._keys: dict[str, Any] | None = None
        self._read_at = 0.0
        self._next_try = 0.0

    def __getitem__(self, slug: str) -> Any:
        return self._current()[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def __repr__(self) -> str:
        return "ProviderKeys(...)"

    def _current(self) -> dict[str, Any]:
        now = self._clock()
        if self._keys is not None and now < self._next_try:
            return self._usable(now)
        try:
            self._keys = _parsed(self._read())
        except Exception as error:
            # Whatever is wrong with the secret, keys that worked a minute ago still do: for an hour, and loudly.
            log.warning("provider keys not readable", extra={"error": type(error).__name__})
            self._next_try = now + _RETRY
            return self._usable(now, error)
        self._read_at, self._next_try = now, now + FRESH
        return self._keys

    def _usable(self, now: float, error: Exception | None = None) -> dict[str, Any]:
        if self._keys is None or now - self._read_at > AT_MOST:
            # Without the cause's text: a parse error can quote the secret.
            raise CredentialsUnavailable(type(error).__name__ if error else "older than an hour") from None
        return self._keys


def _parsed(secret: str | bytes) -> dict[str, Any]:
    keys = orjson.loads(secret)
    if not isinstance(keys, dict):
        raise TypeError("the secret is no JSON object")
    return {slug: key for slug, key in keys.items() if key}


@functools.cache
def platform_keys() -> ProviderKeys:
    """The keys of the secret that PROVIDER_KEYS_SECRET names; no keys at all when it is not set."""
    secret_id = os.environ.get("PROVIDER_KEYS_SECRET", "")
    if not secret_id:
        return ProviderKeys(lambda: "{}")

    def read() -> str:
        return str(_secrets_manager().get_secret_value(SecretId=secret_id)["SecretString"])

    return ProviderKeys(read)


@functools.cache
def _secrets_manager() -> Any:
    import boto3  # here, since most importers of this module never call it
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("secretsmanager", config=config)
