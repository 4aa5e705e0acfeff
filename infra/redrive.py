"""Dead deliveries of webhooks begin anew: `python -m infra.redrive [--stack gpubroker] [--limit 100]`.

Moves messages from the dead-letter queue (the seed's topic `gpubroker.dlq.webhooks`) to the queue of tries, each under
the id that it has, and prints how many. A message is deleted after it was sent, so one may be sent twice, which does no
harm. Credentials and Region are those of boto3; AWS_ENDPOINT_URL points it at a local engine. On AWS the console's
"Start DLQ redrive" to the same queue does the same.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

_BATCH = 10


def outputs_of(stack: str) -> dict[str, str]:
    import boto3

    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def redrive(sqs: Any, *, dead: str, queue: str, limit: int) -> int:
    """Move at most `limit` messages from the queue `dead` to `queue`, given by their URLs; how many were moved."""
    moved = 0
    while moved < limit:
        answer = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=min(_BATCH, limit - moved), WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        if not messages:
            return moved
        for message in messages:
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def main(arguments: Sequence[str] | None = None) -> int:
    import boto3

    parser = argparse.ArgumentParser(
        prog="python -m infra.redrive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", default="gpubroker", help="root stack, to find the queues by (default: gpubroker)")
    parser.add_argument("--limit", type=int, default=1000, help="at most so many (default: 1000)")
    given = parser.parse_args(arguments)
    outputs = outputs_of(given.stack)
    dead, queue = outputs["WebhookDeadLettersUrl"], outputs["WebhookQueueUrl"]
    moved = redrive(boto3.client("sqs"), dead=dead, queue=queue, limit=given.limit)
    sys.stdout.write(f"{moved} deliveries begin anew\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
