"""What sockets ask of SQS and Lambda."""

import json
import os
from functools import cache
from typing import Any


@cache
def _queues() -> Any:
    import boto3

    return boto3.client("sqs")


@cache
def _functions() -> Any:
    import boto3

    return boto3.client("lambda")


class PostQueue:
    """Pieces of an audience, and what could not be posted yet."""

    def send(self, body: str, delay_s: int) -> None:
        _queues().send_message(QueueUrl=os.environ["POST_QUEUE_URL"], MessageBody=body, DelaySeconds=delay_s)


def ask_for_greeting(connection_id: str) -> None:
    """By an invocation of its own, which Lambda tries twice more if it fails."""
    payload = json.dumps({"connection_id": connection_id}).encode()
    _functions().invoke(FunctionName=os.environ["GREET_FUNCTION"], InvocationType="Event", Payload=payload)
