"""Posting to connections: side by side, each with its own patience, so that a slow or dead one delays nobody.

A post is one call of the `@connections` API. What API Gateway says is gone (410) is gone for good; what failed in
another way is handed back, from the first frame that was not posted on, to be tried again later.
"""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

STAGE = "live"
WORKERS = 32
CONNECT_S, READ_S = 1.0, 2.0
"""How long one post may take: API Gateway takes it in a few milliseconds, or not at all."""


class Api(Protocol):
    """The calls of the `apigatewaymanagementapi` client that are used; they raise ClientError or BotoCoreError."""

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> Any: ...  # noqa: N803 - AWS's names

    def delete_connection(self, *, ConnectionId: str) -> Any: ...  # noqa: N803


@dataclass(frozen=True, slots=True)
class Delivery:
    """Frames for one connection, in order."""

    connection_id: str
    frames: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """posted: calls that succeeded; gone: connections that do not exist; failed: what is left of the others."""

    posted: int = 0
    gone: list[str] = field(default_factory=list)
    failed: list[Delivery] = field(default_factory=list)


class Poster:
    """clock: seconds that never go back; patience_s: after so long nothing new is begun, the rest counts as failed."""

    def __init__(
        self,
        api: Api,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        patience_s: float = 15.0,
    ) -> None:
        self._api, self._clock, self._sleep, self._patience = api, clock, sleep, patience_s

    def post(self, connection_id: str, *frames: str) -> bool:
        """Post to one connection; False when it is gone. Raises NotPosted on anything else."""
        outcome = self.post_all([Delivery(connection_id, frames)])
        if outcome.failed:
            raise NotPosted(connection_id)
        return not outcome.gone

    def post_to_new(self, connection_id: str, frame: str, *, within_s: float = 5.0) -> bool:
        """Post to a connection whose `$connect` may not have returned yet: until then it is `gone` as well.

        False when it still is at the end, which means that the client gave up. Raises NotPosted.
        """
        until, wait = self._clock() + within_s, 0.01
        while not self.post(connection_id, frame):
            if self._clock() + wait > until:
                return False
            self._sleep(wait)
            wait = min(wait * 1.6, 0.25)
        return True

    def post_all(self, deliveries: Iterable[Delivery]) -> Outcome:
        """Post everything that can be posted. The frames of one connection keep their order."""
        waiting = list(deliveries)
        outcome = Outcome()
        if not waiting:
            return outcome
        until = self._clock() + self._patience
        if len(waiting) == 1:
            results = [self._to_one(waiting[0], until)]
        else:
            with ThreadPoolExecutor(min(WORKERS, len(waiting))) as pool:
                results = list(pool.map(lambda one: self._to_one(one, until), waiting))
        for delivery, (posted, gone) in zip(waiting, results, strict=True):
            outcome.posted += posted
            if gone:
                outcome.gone.append(delivery.connection_id)
            elif posted < len(delivery.frames):
                outcome.failed.append(Delivery(delivery.connection_id, delivery.frames[posted:]))
        return outcome

    def close(self, connection_id: str) -> None:
        """End a connection; one that is gone is a success."""
        from botocore.exceptions import ClientError

        try:
            self._api.delete_connection(ConnectionId=connection_id)
        except ClientError as error:
            if not _is_gone(error):
                raise

    def _to_one(self, delivery: Delivery, until: float) -> tuple[int, bool]:
        """How many frames were posted, and whether the connection is gone."""
        from botocore.exceptions import BotoCoreError, ClientError

        for number, frame in enumerate(delivery.frames):
            if self._clock() > until:
                return number, False
            try:
                self._api.post_to_connection(ConnectionId=delivery.connection_id, Data=frame.encode())
            except ClientError as error:
                return number, _is_gone(error)
            except BotoCoreError:  # no answer in time, no connection: whether the client got it is unknown
                return number, False
        return len(delivery.frames), False


class NotPosted(Exception):
    """API Gateway took a message neither in nor said that its connection is gone."""


def _is_gone(error: Any) -> bool:
    code = error.response.get("Error", {}).get("Code")
    return code in ("GoneException", "410") or error.response["ResponseMetadata"].get("HTTPStatusCode") == 410


def endpoint(api_id: str) -> str:
    """Where the connections of an API are posted to: with AWS, or with whom AWS_ENDPOINT_URL names."""
    if local := os.environ.get("AWS_ENDPOINT_URL"):
        return f"{local}/_aws/execute-api/{api_id}/{STAGE}"
    region = os.environ["AWS_REGION"]
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{api_id}.execute-api.{region}.{domain}/{STAGE}"


@cache
def socket_api() -> Api:
    """The client of this process, with a connection for each worker; retrying is the caller's to decide."""
    import boto3
    from botocore.config import Config

    api: Api = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint(os.environ["SOCKET_API_ID"]),
        config=Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=WORKERS,
            retries={"total_max_attempts": 1},
        ),
    )
    return api
