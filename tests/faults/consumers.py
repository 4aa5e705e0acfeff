"""Consumers of a queue or a stream under faults: every call that they make to AWS can fail, and what failed comes
again, as Lambda's event sources bring it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from gpubroker.storage import table as storage_table
from tests.faults.driver import Killed

MODES = ("before", "after", "hang", "lost")
"""An error comes back without or with the effect; or no answer comes and the function's time runs out, likewise."""
RECEIVES = 5


@contextmanager
def an_account(tables: dict[str, str], **variables: str) -> Iterator[None]:
    """A mocked account with these tables, by the variables that name them."""
    import pytest

    with pytest.MonkeyPatch.context() as monkey, mock_aws():
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
            monkey.delenv(name, raising=False)
        known = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
        known |= {"AWS_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "test", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        for name, value in (known | tables | {"POWERTOOLS_METRICS_DISABLED": "true"} | variables).items():
            monkey.setenv(name, value)
        storage_table._shared.cache_clear()
        for name in tables.values():
            boto3.client("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            )
        yield
        storage_table._shared.cache_clear()


@dataclass
class Calls:
    """Calls to AWS, counted while armed; the one of the fault's number fails in its mode."""

    fault: tuple[int, str] | None = None
    made: list[str] = field(default_factory=list)
    armed: bool = False

    def call(self, client: Any, operation: str, arguments: Any, real: Callable[..., Any]) -> Any:
        if not self.armed:
            return real(client, operation, arguments)
        self.made.append(operation)
        if self.fault is None or self.fault[0] != len(self.made) - 1:
            return real(client, operation, arguments)
        mode = self.fault[1]
        if mode in ("after", "lost"):
            real(client, operation, arguments)
        if mode in ("hang", "lost"):
            raise Killed
        url = "https://dynamodb.test"
        raise EndpointConnectionError(endpoint_url=url) if mode == "before" else ReadTimeoutError(endpoint_url=url)

    @contextmanager
    def installed(self) -> Iterator["Calls"]:
        real = botocore.client.BaseClient._make_api_call
        with (
            patch.object(
                botocore.client.BaseClient,
                "_make_api_call",
                lambda client, operation, arguments: self.call(client, operation, arguments, real),
            ),
            patch("time.sleep", lambda _: None),
        ):
            self.armed = True
            yield self
        self.armed = False


def brought(handler: Callable[..., Any], records: Sequence[dict[str, Any]], *, name: Callable[[Any], str]) -> int:
    """Bring records until none fails; how often they were brought. A stream's come again from the first that failed,
    a queue's those that failed; `name` says how the answer calls a record."""
    waiting = list(records)
    stream = "kinesis" in waiting[0]
    for times in range(1, RECEIVES + 1):
        try:
            answer = json.loads(json.dumps(handler({"Records": waiting}, None)))
        except (Killed, Exception):  # noqa: S112  a fault: all of the batch comes again
            continue
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        if not failed:
            return times
        named = [name(record) for record in waiting]
        first = min(named.index(one) for one in failed)
        waiting = waiting[first:] if stream else [one for one in waiting if name(one) in failed]
    raise AssertionError(f"still failing after {RECEIVES} receives")
