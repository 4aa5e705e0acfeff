"""From the table's stream: outbox entries to bus and price stream; a reader's wish for a refresh to the sync."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from gpubroker.messaging.relay import publish, relay
from gpubroker.offers import refresh


@cache
def lambda_client() -> Any:
    import boto3

    return boto3.client("lambda")


def start_sync() -> None:
    lambda_client().invoke(FunctionName=os.environ["SYNC_FUNCTION"], InvocationType="Event", Payload=b'{"wish":true}')


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    refresh.grant(event["Records"], start_sync)
    return relay(event["Records"], publish=publish)
