"""Looks: messages that say "look at this member now", on a queue that can wait.

A poll and a provider's callback are the same thing: each makes one look happen. A look asks the provider and writes
what it says into the rental; nothing that a message or a callback says is believed.
"""

import os
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Protocol

import orjson


@dataclass(frozen=True, slots=True)
class Look:
    """turn counts the looks of a chain; one that was caused by a callback is no chain and is not repeated (-1)."""

    tenant: str
    rental_id: str
    member_id: str
    turn: int = 0


class Looks(Protocol):
    def ask(self, look: Look, *, delay_seconds: int) -> None: ...


@cache
def _client() -> Any:
    import boto3

    return boto3.client("sqs")


class LookQueue:
    def ask(self, look: Look, *, delay_seconds: int) -> None:
        _client().send_message(
            QueueUrl=os.environ["LOOK_QUEUE_URL"],
            MessageBody=orjson.dumps(asdict(look)).decode(),
            DelaySeconds=delay_seconds,
        )


def read(body: str) -> Look:
    return Look(**orjson.loads(body))


def delay_before(turn: int) -> int:
    """Seconds before a look: 2 at first, since some instances start at once, then slower, at most 15."""
    return min(15, 2 + max(0, turn - 2))
