"""The queue of tries that are to be made now, the queue of facts that are to be fanned out, and the retry workflow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import orjson

from gpubroker.delivery.webhooks.delivery import Delivery

_BATCH = 10  # SendMessageBatch takes ten
_LONGEST_DELAY = 900


class NotQueued(Exception):
    """The queue refused messages."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A delivery that is to be tried.

    run   of the delivery that is meant; None for whichever it is in
    turn  how often it was put off, its endpoint being busy
    dead  it comes out of the dead-letter queue: begin it anew
    """

    tenant: str
    webhook_id: str
    delivery_id: str
    run: int | None = None
    turn: int = 0
    dead: bool = False

    @classmethod
    def of(cls, delivery: Delivery, *, turn: int = 0) -> "Ask":
        return cls(delivery.tenant, delivery.webhook_id, delivery.delivery_id, delivery.run, turn)

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Ask":
        """From a message: one of ours, or the detail of WebhookRequested or WebhookDeliveryFailed."""
        return cls(
            tenant=told["user_id"],
            webhook_id=told["webhook_id"],
            delivery_id=told["delivery_id"],
            run=told["run"],
            turn=told.get("turn", 0),
            dead=told.get("event_type") == "WebhookDeliveryFailed",
        )

    def text(self) -> str:
        told = {"user_id": self.tenant, "webhook_id": self.webhook_id, "delivery_id": self.delivery_id}
        return orjson.dumps({**told, "run": self.run, "turn": self.turn}).decode()


class Queue(Protocol):
    def send(self, asks: Sequence[Ask], *, delay_seconds: int = 0) -> None: ...

    def go_on(self, work: dict[str, Any]) -> None: ...


class Retries(Protocol):
    def start(self, delivery: Delivery, now: datetime) -> bool: ...

    def running(self, delivery: Delivery) -> bool: ...


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


class Queues:
    def send(self, asks: Sequence[Ask], *, delay_seconds: int = 0) -> None:
        """Have these tried. Raises NotQueued when some were refused: all may be sent again."""
        for start in range(0, len(asks), _BATCH):
            entries = [
                {"Id": str(number), "MessageBody": ask.text(), "DelaySeconds": min(_LONGEST_DELAY, delay_seconds)}
                for number, ask in enumerate(asks[start : start + _BATCH])
            ]
            answer = _client("sqs").send_message_batch(QueueUrl=os.environ["WEBHOOK_QUEUE_URL"], Entries=entries)
            if answer.get("Failed"):
                raise NotQueued(f"{len(answer['Failed'])} of {len(entries)} messages")

    def go_on(self, work: dict[str, Any]) -> None:
        """Have a fan-out continued."""
        _client("sqs").send_message(
            QueueUrl=os.environ["WEBHOOK_FAN_OUT_QUEUE_URL"], MessageBody=orjson.dumps(work).decode()
        )


class Workflows:
    """`failed_to_delivered`, one execution for each run of a delivery."""

    def start(self, delivery: Delivery, now: datetime) -> bool:
        """Have it retried at its next moment; False when this run's workflow was started before."""
        moment = delivery.next_attempt_at or now
        work = {
            "user_id": delivery.tenant,
            "webhook_id": delivery.webhook_id,
            "delivery_id": delivery.delivery_id,
            "run": delivery.run,
            "wait_seconds": max(1, round((moment - now).total_seconds())),
            "traceparent": delivery.traceparent or "",
        }
        client = _client("stepfunctions")
        try:
            client.start_execution(
                stateMachineArn=os.environ["FAILED_TO_DELIVERED_STATE_MACHINE"],
                name=delivery.execution,
                input=orjson.dumps(work).decode(),
            )
        except client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def running(self, delivery: Delivery) -> bool:
        """Whether this run's workflow was started and is not over."""
        client = _client("stepfunctions")
        machine = os.environ["FAILED_TO_DELIVERED_STATE_MACHINE"].replace(":stateMachine:", ":execution:")
        try:
            found = client.describe_execution(executionArn=f"{machine}:{delivery.execution}")
        except client.exceptions.ExecutionDoesNotExist:
            return False
        return bool(found["status"] == "RUNNING")
