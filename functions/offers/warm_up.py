"""CloudFormation's custom resource: right after a deploy one beat and one publication are started (R8.3).

Not by the first one: the keys of providers are stored after it (docs/aws.md), and a sync remembers for a while that
there are none. It always answers, and always with success: a deploy must not fail, or wait an hour for an answer,
because of a warm-up that the schedules do anyway within a minute; and there is nothing to delete.
"""

import json
import os
import urllib.request
from functools import cache
from typing import Any

from gpubroker.messaging.log import logger

ANSWER_S = 10.0


@cache
def client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def start() -> None:
    """Neither is waited for."""
    client("stepfunctions").start_execution(stateMachineArn=os.environ["BEAT_STATE_MACHINE"], input="{}")
    client("lambda").invoke(FunctionName=os.environ["PUBLISH_FUNCTION"], InvocationType="Event", Payload=b"{}")


def answer(event: dict[str, Any]) -> None:
    """Put the answer where CloudFormation waits for it: an address that it has signed."""
    told = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps(told | {"Status": "SUCCESS", "PhysicalResourceId": event.get("PhysicalResourceId", "warm-up")})
    url = event["ResponseURL"]
    if not url.startswith(("https://", "http://")):
        raise ValueError("the answer goes to no web address")
    request = urllib.request.Request(url, body.encode(), {"content-type": ""}, method="PUT")  # noqa: S310 - see above
    with urllib.request.urlopen(request, timeout=ANSWER_S):  # noqa: S310
        pass


def handler(event: dict[str, Any], context: Any) -> None:
    try:
        if event["RequestType"] == "Update":
            start()
    except Exception as error:  # said, and made up for by the schedules
        logger().warning("the warm-up did not start", extra={"error": f"{type(error).__name__}: {error}"})
    answer(event)
