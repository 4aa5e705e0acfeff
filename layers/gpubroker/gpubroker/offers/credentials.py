"""Keys for the providers, read from Secrets Manager, cached, never shown (R9.1-R9.5, checklist 226-230).

The platform's are one secret, JSON: {"<provider slug>": "<key>"}, or {"<slug>": {"client_id": ..., "client_secret":
...}} where credentials have parts. A tenant's own are one secret each, `<path>/<tenant>/<slug>`, {"key": ...} alike.

Both are remembered alike (`Kept`): read again after five minutes; while Secrets Manager is away, what was read last is
used for at most one hour; and a key that its provider refuses is read again at once, which is what makes a rotation
cost nobody a call: the new key is put in, and whoever still holds the old one finds the new when the old is refused.
"""

import functools
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import orjson

log = logging.getLogger(__name__)

FRESH = 300.0
"""Seconds for which a read secret is not asked for again."""

ABSENT = 15.0
"""The same for a secret that was not there: whoever has just saved one should not wait long."""

AT_MOST = 3600.0
"""Seconds after which keys that could not be read again are no longer used."""

_RETRY = 15.0
_DOUBT = 15.0
_MOST_CALLERS = 1000

T = TypeVar("T")


class CredentialsUnavailable(Exception):
    """The keys cannot be read, and what was read last is too old to be used."""


class Kept(Generic[T]):
    """One secret as a process remembers it. `read` gives its value, or raises whatever is wrong with it."""

    def __init__(
        self,
        read: Callable[[], T],
        *,
        clock: Callable[[], float] = time.monotonic,
        fresh: Callable[[T], float] = lambda _: FRESH,
    ) -> None:
        self._read = read
        self._clock = clock
        self._fresh = fresh
        self._value: T
        self._known = False
        self._read_at = 0.0
        self._next_try = 0.0
        self._next_doubt = 0.0

    def __repr__(self) -> str:
        return "Kept(...)"

    def value(self) -> T:
        """Raises CredentialsUnavailable."""
        now = self._clock()
        if self._known and now < self._next_try:
            return self._usable(now)
        try:
            self._value = self._read()
        except Exception as error:
            # Whatever is wrong with the secret, keys that worked a minute ago still do: for an hour, and loudly.
            log.warning("provider keys not readable", extra={"error": type(error).__name__})
            self._next_try = now + _RETRY
            return self._usable(now, error)
        self._known = True
        self._read_at, self._next_try = now, now + self._fresh(self._value)
        return self._value

    def doubt(self) -> None:
        """The provider refused what this gave: read again at the next use. Once in 15 s, for a key that stays wrong."""
        now = self._clock()
        if now >= self._next_doubt:
            self._next_try, self._next_doubt = now, now + _DOUBT

    def _usable(self, now: float, error: Exception | None = None) -> T:
        if not self._known or now - self._read_at > AT_MOST:
            # Without the cause's text: a parse error can quote the secret.
            raise CredentialsUnavailable(type(error).__name__ if error else "older than an hour") from None
        return self._value


class ProviderKeys(Mapping[str, Any]):
    """Keys by provider slug, read on first use. A provider without a key is simply not in it."""

    def __init__(self, read: Callable[[], str | bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = Kept(lambda: _parsed(read()), clock=clock)

    def __getitem__(self, slug: str) -> Any:
        return self._kept.value()[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept.value())

    def __len__(self) -> int:
        return len(self._kept.value())

    def __repr__(self) -> str:
        return "ProviderKeys(...)"

    def doubt(self) -> None:
        """A provider refused its key: see `Kept.doubt`."""
        self._kept.doubt()


class CallerKeys:
    """Tenants' own keys. `read` gives a secret's text by its name, None where there is no such secret."""

    def __init__(
        self, path: str, read: Callable[[str], str | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._read, self._clock = path, read, clock
        self._kept: OrderedDict[tuple[str, str], Kept[Any]] = OrderedDict()

    def __repr__(self) -> str:
        return "CallerKeys(...)"

    def get(self, tenant: str, slug: str) -> Any:
        """The tenant's key for a provider, None where there is none. Raises CredentialsUnavailable."""
        return self._of(tenant, slug).value()

    def doubt(self, tenant: str, slug: str) -> None:
        """The provider refused this key: see `Kept.doubt`."""
        self._of(tenant, slug).doubt()

    def _of(self, tenant: str, slug: str) -> Kept[Any]:
        """What is remembered of one secret. Of many tenants, the least recently used are forgotten."""
        place = (tenant, slug)
        if place not in self._kept:
            name = secret_name(self._path, tenant, slug)
            self._kept[place] = Kept(
                lambda: _key_of(self._read(name)), clock=self._clock, fresh=lambda key: ABSENT if key is None else FRESH
            )
        self._kept.move_to_end(place)
        while len(self._kept) > _MOST_CALLERS:
            self._kept.popitem(last=False)
        return self._kept[place]


def secret_name(path: str, tenant: str, slug: str) -> str:
    """Where a tenant's key for a provider stands in Secrets Manager; roles are allowed what begins with `path`."""
    return f"{path}/{tenant}/{slug}"


def _parsed(secret: str | bytes) -> dict[str, Any]:
    keys = orjson.loads(secret)
    if not isinstance(keys, dict):
        raise TypeError("the secret is no JSON object")
    return {slug: key for slug, key in keys.items() if key}


def _key_of(secret: str | None) -> Any:
    return None if secret is None else _parsed(secret)["key"]


@functools.cache
def platform_keys() -> ProviderKeys:
    """The keys of the secret that PROVIDER_KEYS_SECRET names; no keys at all when it is not set."""
    secret_id = os.environ.get("PROVIDER_KEYS_SECRET", "")
    if not secret_id:
        return ProviderKeys(lambda: "{}")
    return ProviderKeys(lambda: _secret_text(secret_id))


@functools.cache
def caller_keys() -> CallerKeys:
    """The keys below the path that INTEGRATION_SECRETS names."""

    def read(name: str) -> str | None:
        try:
            return _secret_text(name)
        except secrets_manager().exceptions.ResourceNotFoundException:
            return None

    return CallerKeys(os.environ["INTEGRATION_SECRETS"], read)


def _secret_text(secret_id: str) -> str:
    return str(secrets_manager().get_secret_value(SecretId=secret_id)["SecretString"])


@functools.cache
def secrets_manager() -> Any:
    """The client, with short patience: whoever waits here holds up a call to a provider."""
    import boto3  # here, since most importers of this module never call it
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("secretsmanager", config=config)
