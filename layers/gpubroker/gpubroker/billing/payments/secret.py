"""What we and the processor know of each other: {"api_key": ..., "webhook_secrets": ["whsec_..."]} in Secrets Manager.

Read again after five minutes; while Secrets Manager is away, what was read last is used for an hour (228). Two webhook
secrets at once while one is being changed.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from gpubroker.billing.payments.ports import ProcessorUnavailable

FRESH_SECONDS = 300.0
AT_MOST_SECONDS = 3600.0
_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Secret:
    api_key: str
    webhook_secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return "Secret(...)"


class Kept:
    """The secret as this process remembers it. `read` gives its text."""

    def __init__(self, read: Callable[[], str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._secret: Secret | None = None
        self._read_at = self._next_try = float("-inf")

    def __repr__(self) -> str:
        return "Kept(...)"

    def value(self) -> Secret:
        """Raises ProcessorUnavailable while it cannot be known."""
        now = self._clock()
        if now >= self._next_try:
            try:
                self._secret, self._read_at = _secret(self._read()), now
                self._next_try = now + FRESH_SECONDS
            except Exception as error:
                self._next_try = now + _RETRY_SECONDS
                from gpubroker.messaging.log import logger

                # Without the cause's text, which may quote what was read.
                logger().error("the processor's secret cannot be read", extra={"error": type(error).__name__})
        if self._secret is None or now - self._read_at > AT_MOST_SECONDS:
            self._next_try = float("-inf")
            raise ProcessorUnavailable("Payments cannot be taken at the moment.", retry_after=15)
        return self._secret


def _secret(text: str) -> Secret:
    told = orjson.loads(text)
    return Secret(str(told["api_key"]), tuple(str(one) for one in told["webhook_secrets"]))


@cache
def _secrets_manager() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("secretsmanager", config=config)


@cache
def kept() -> Kept:
    """The secret that PAYMENTS_SECRET names."""
    secret_id = os.environ["PAYMENTS_SECRET"]
    return Kept(lambda: str(_secrets_manager().get_secret_value(SecretId=secret_id)["SecretString"]))
