"""The queue of roll-ups, which ROLLUP_QUEUE_URL names."""

import os
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Any

import orjson

from gpubroker.prices.history.rollups import Job

_BATCH = 10


class NotQueued(Exception):
    """The queue refused messages; their markers stand, and the next run tries again."""


@cache
def _client() -> Any:
    import boto3

    return boto3.client("sqs")


def queued(jobs: Iterable[Job]) -> int:
    """Send jobs to the queue; how many there were. Raises NotQueued when some were refused, after sending the rest."""
    waiting = iter(jobs)
    sent = refused = 0
    while batch := list(islice(waiting, _BATCH)):
        entries = [{"Id": str(at), "MessageBody": orjson.dumps(job).decode()} for at, job in enumerate(batch)]
        answer = _client().send_message_batch(QueueUrl=os.environ["ROLLUP_QUEUE_URL"], Entries=entries)
        refused += len(answer.get("Failed", ()))
        sent += len(batch)
    if refused:
        raise NotQueued(f"{refused} of {sent}")
    return sent
