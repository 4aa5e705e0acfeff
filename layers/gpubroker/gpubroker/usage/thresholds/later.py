"""The queue of sums that are looked at a second time.

The stream has two readers that know nothing of each other: this one may hold a sum against its threshold a moment
before the metering has counted the event that moved it. The next event of the instance would tell, if there is one;
this queue tells without one.
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from gpubroker.kernel.time import iso, parse_iso
from gpubroker.usage.thresholds.checking import Moved

DELAY_SECONDS = 180
"""Longer than the aggregation takes on any usual day: a batch of a minute, and its writes (docs/usage.md)."""
_A_MESSAGE = 500


@cache
def _client() -> Any:
    import boto3

    return boto3.client("sqs")


class LaterQueue:
    """The queue that SECOND_LOOK_QUEUE_URL names."""

    def look_again(self, sums: Sequence[Moved]) -> None:
        for start in range(0, len(sums), _A_MESSAGE):
            told = [[one.user_id, one.instance_id, iso(one.begun)] for one in sums[start : start + _A_MESSAGE]]
            _client().send_message(
                QueueUrl=os.environ["SECOND_LOOK_QUEUE_URL"],
                MessageBody=orjson.dumps({"sums": told}).decode(),
                DelaySeconds=DELAY_SECONDS,
            )


def read(body: str) -> list[Moved]:
    """The sums of a message."""
    return [Moved(user, instance, parse_iso(begun)) for user, instance, begun in orjson.loads(body)["sums"]]
