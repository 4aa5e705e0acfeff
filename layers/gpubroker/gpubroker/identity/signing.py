"""The signing keys at work: read from Secrets Manager, made at first use, rotated.

The commit point is the ring's item in DynamoDB (identity/keyring.py): a new version of the secret is written first,
under a label of its own; the ring that names it is written on the condition that nobody else wrote one meanwhile.
The loser's version is never looked at, and a crash between the two leaves the old ring in force.
"""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

import orjson

from gpubroker.identity import events
from gpubroker.identity.keyring import CURRENT, KeyPair, PrivateKeys, Ring, first, new_pair, rotated, without
from gpubroker.identity.ring_cache import RingCache
from gpubroker.identity.store import ring as store
from gpubroker.identity.tokens import Signer
from gpubroker.kernel.errors import Unavailable
from gpubroker.storage.transaction import StaleVersion

# A signer is looked up again this often; with Secrets Manager away it goes on for an hour (R9.3, 228).
FRESH_SECONDS = 300.0
STALE_SECONDS = 3600.0


class SecretUnavailable(Unavailable):
    code = "signing-keys-unavailable"
    title = "Tokens cannot be signed at the moment"


class _NoSuchVersion(SecretUnavailable):
    """The secret, its version or a label of it is not there."""


class SecretVersions(Protocol):
    """Versions of one secret, by id."""

    def read(self, version: str) -> str:
        """Raises SecretUnavailable."""

    def write(self, version: str, text: str) -> None:
        """Raises SecretUnavailable."""

    def forget(self, version: str) -> None:
        """Let a version go: nothing names it any more."""


class SigningKeys:
    """One per process. The three reads and writes are arguments; `signing_keys()` binds the real ones."""

    def __init__(
        self,
        secret: SecretVersions,
        *,
        read_ring: Callable[[], Ring | None] = store.ring,
        commit_ring: Callable[[Ring, Any], None] = store.commit,
        make: Callable[[], KeyPair] = new_pair,
    ) -> None:
        self._secret = secret
        self._read_ring = read_ring
        self._commit = commit_ring
        self._make = make
        self._ring_cache = RingCache(read_ring)
        self._signer: Signer | None = None
        self._version = ""
        self._loaded_at = float("-inf")

    def signer(self, now: float) -> Signer:
        """The current key. Makes the first ring when there is none. Raises Unavailable."""
        if self._signer is not None and now - self._loaded_at < FRESH_SECONDS:
            return self._signer
        try:
            ring = self._read_ring() or self._first(now)
            if self._signer is None or ring.secret_version != self._version:
                self._signer = Signer.of(self._private(ring).current)
                self._version = ring.secret_version
            self._loaded_at = now
        except Unavailable:
            if self._signer is None or now - self._loaded_at >= STALE_SECONDS:
                raise
        return self._signer

    def public_key(self, kid: str, now: float) -> str | None:
        """The public half behind a key id, for tokens that come back to us."""
        return self._ring_cache.public_key(kid, now)

    def rotate(self, now: float, *, force: bool = False) -> Ring:
        """Rotate when the current key is old enough, or `force`. A rotation that comes second changes nothing.

        Raises RotationTooSoon when forced before every verifier can know the next key.
        """
        ring = self._read_ring()
        if ring is None:
            return self._first(now)
        if not (force or ring.due(now)):
            return ring
        new, private = rotated(ring, self._private(ring), self._make, now)
        return self._install(ring, new, private, reason="forced" if force else "schedule")

    def revoke(self, kid: str, now: float) -> Ring:
        """Take a compromised key out of the ring. Raises UnknownKey."""
        ring = self._read_ring() or self._first(now)
        new, private = without(ring, self._private(ring), kid, self._make, now)
        return self._install(ring, new, private, reason="compromised")

    def _first(self, now: float) -> Ring:
        new, private = first(self._make, now)
        return self._install(None, new, private, reason="first")

    def _install(self, old: Ring | None, new: Ring, private: PrivateKeys, *, reason: str) -> Ring:
        version = str(uuid.uuid4())
        self._secret.write(version, _encoded(private))
        ring = Ring(new.generation, version, new.keys)
        fact = events.signing_keys_rotated(ring.generation, kids=[key.kid for key in ring.keys], reason=reason)
        try:
            self._commit(ring, fact)
        except StaleVersion:
            self._secret.forget(version)
            winner = self._read_ring()
            if winner is None:
                raise
            return winner
        if old is not None:
            self._secret.forget(old.secret_version)
        return ring

    def _private(self, ring: Ring) -> PrivateKeys:
        keys = _decoded(self._secret.read(ring.secret_version))
        if keys.current.kid != ring.the(CURRENT).kid:
            raise SecretUnavailable("The secret does not hold the current key.")
        return keys


class SecretsManagerVersions:
    """SecretVersions on AWS Secrets Manager.

    A label of its own keeps a version from being tidied away; AWSCURRENT is not moved, since which version counts is
    said by the ring, and a version that lost must not look as if it did.
    """

    def __init__(self, client: Any, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def read(self, version: str) -> str:
        answer = self._call("get_secret_value", VersionId=version)
        text: str = answer["SecretString"]
        return text

    def write(self, version: str, text: str) -> None:
        self._call("put_secret_value", ClientRequestToken=version, SecretString=text, VersionStages=[_label(version)])

    def forget(self, version: str) -> None:
        with suppress(_NoSuchVersion):  # whoever was here before did the same
            self._call("update_secret_version_stage", VersionStage=_label(version), RemoveFromVersionId=version)

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(SecretId=self._secret_id, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidParameterException", "ResourceNotFoundException"):
                raise _NoSuchVersion("The signing keys are not where they should be.", retry_after=5) from error
            raise SecretUnavailable("The signing keys cannot be reached.", retry_after=5) from error
        except BotoCoreError as error:
            raise SecretUnavailable("The signing keys cannot be reached.", retry_after=5) from error


@cache
def signing_keys() -> SigningKeys:
    """This process's signing keys, from the secret that SIGNING_KEYS_SECRET names."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    client = boto3.client("secretsmanager", config=config)
    return SigningKeys(SecretsManagerVersions(client, os.environ["SIGNING_KEYS_SECRET"]))


def _label(version: str) -> str:
    return f"ring-{version}"


def _encoded(keys: PrivateKeys) -> str:
    return orjson.dumps(
        {
            "current": {"public": keys.current.public, "private": keys.current.private},
            "next": {"public": keys.following.public, "private": keys.following.private},
        }
    ).decode()


def _decoded(text: str) -> PrivateKeys:
    stored = orjson.loads(text)
    return PrivateKeys(KeyPair(**stored["current"]), KeyPair(**stored["next"]))
