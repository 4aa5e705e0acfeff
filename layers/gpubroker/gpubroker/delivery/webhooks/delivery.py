"""A delivery: one message to one webhook, from its first try to its end. Pure rules; clock and dice are arguments.

pending ──> delivered                  a try was answered 2xx
   │  ▲         ▲
   ▼  │         │                      (replay: any of the ends back to pending, under the same id)
retrying ───────┤
                ├──> dead              its schedule is used up; told to the dead-letter queue
                ├──> held              its webhook is paused or stopped
                └──> cancelled         its webhook is deleted
"""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gpubroker.delivery.webhooks.webhook import LONGEST_WAIT
from gpubroker.kernel.retry_after import seconds_until
from gpubroker.resilience.backoff import Uniform

KEPT = timedelta(days=30)
"""How long a delivery can be seen and replayed."""
JITTER = 0.2
"""A wait is drawn between 80 and 120 % of the schedule's, so that those who failed together do not return together."""
CLAIM = timedelta(seconds=20)
"""How long a try belongs to one function, which lives 15 s."""
LOOK_AFTER = timedelta(seconds=60)
"""After which the sweep looks for a first try that did not come about."""
LATE = timedelta(minutes=5)
"""After which the sweep looks for a workflow that did not make the next try."""
ATTEMPTS_SHOWN = 20
EXCERPT = 512
"""Bytes of an answer that are kept."""


class Status(StrEnum):
    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    HELD = "held"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        return self in (Status.PENDING, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try. status: of the answer, None when there was none, then `error` says why."""

    duration_ms: int
    status: int | None = None
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    excerpt: str = ""
    whole: bool = True
    retry_after: str | None = None

    @property
    def delivered(self) -> bool:
        """Only 2xx; the answer counts from its status line and headers on, whatever becomes of its body: the receiver
        has said yes, and a second delivery would be the worse mistake."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Attempt:
    at: datetime
    outcome: Outcome | None = None
    """None while it is being made, and for one that was cut off."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """order        sorts the deliveries of a subject; None where no order was asked for
    run          counts the replays and restarts: an execution's name is taken once
    tries        in this run, counted when they begin, so that one that was cut off counts too
    due_at       when the sweep looks at it; None at an end
    claimed_until  while a try is being made
    """

    tenant: str
    webhook_id: str
    delivery_id: str
    event_id: str
    type: str
    subject: str
    created_at: datetime
    status: Status = Status.PENDING
    order: str | None = None
    run: int = 0
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    due_at: datetime | None = None
    claimed_until: datetime | None = None
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    replay: str | None = None
    traceparent: str | None = None
    version: int = 1

    @property
    def execution(self) -> str:
        """The name of the workflow that retries it in this run."""
        return self.delivery_id if not self.run else f"{self.delivery_id}-{self.run}"

    def claimed(self, now: datetime) -> bool:
        return self.claimed_until is not None and self.claimed_until > now

    @property
    def lane(self) -> str | None:
        """Where it stands in its subject's queue."""
        return None if self.order is None else f"{self.order}#{self.delivery_id}"


def made(delivery: Delivery, *, held: bool, now: datetime) -> Delivery:
    """As it is written first: on its way, or held back while its webhook is paused."""
    return replace(delivery, status=Status.HELD) if held else replace(delivery, due_at=now + LOOK_AFTER)


def claim(delivery: Delivery, now: datetime) -> Delivery:
    """A try begins. The one before it, if nothing was heard of it, was cut off."""
    attempts = (*delivery.attempts, Attempt(now))[-ATTEMPTS_SHOWN:]
    return replace(
        delivery,
        attempts=attempts,
        tries=delivery.tries + 1,
        claimed_until=now + CLAIM,
        due_at=now + CLAIM + LOOK_AFTER,
    )


def concluded(
    delivery: Delivery, outcome: Outcome, schedule: tuple[int, ...], now: datetime, *, uniform: Uniform
) -> Delivery:
    """After a try, by what came of it."""
    last = delivery.attempts[-1]
    delivery = replace(delivery, attempts=(*delivery.attempts[:-1], replace(last, outcome=outcome)), claimed_until=None)
    if outcome.delivered:
        return replace(ended(delivery, Status.DELIVERED), delivered_at=now)
    return failed(delivery, schedule, now, uniform=uniform, retry_after=outcome.retry_after)


def failed(
    delivery: Delivery,
    schedule: tuple[int, ...],
    now: datetime,
    *,
    uniform: Uniform,
    retry_after: str | None = None,
) -> Delivery:
    """To be tried again when the schedule says, or dead when it is used up."""
    if delivery.tries > len(schedule):
        return ended(delivery, Status.DEAD)
    wait = schedule[delivery.tries - 1] * uniform(1 - JITTER, 1 + JITTER)
    return later(delivery, max(wait, asked_wait(retry_after, now)), now)


def later(delivery: Delivery, seconds: float, now: datetime) -> Delivery:
    """To be tried after so many seconds, by its workflow."""
    moment = now + timedelta(seconds=max(1, math.ceil(seconds)))
    return replace(
        delivery, status=Status.RETRYING, claimed_until=None, next_attempt_at=moment, due_at=moment + CLAIM + LATE
    )


def ended(delivery: Delivery, status: Status) -> Delivery:
    return replace(delivery, status=status, claimed_until=None, next_attempt_at=None, due_at=None)


def waiting(delivery: Delivery, now: datetime) -> Delivery:
    """Another one of its subject is before it; that one's end calls it."""
    return replace(delivery, status=Status.PENDING, claimed_until=None, next_attempt_at=None, due_at=now + 3 * LATE)


def replayed(delivery: Delivery, request: str, now: datetime) -> Delivery:
    """Back to its beginning, under the same id. request: what asked for it; the same one does it once."""
    if delivery.replay == request:
        return delivery
    return replace(
        delivery,
        status=Status.PENDING,
        run=delivery.run + 1,
        tries=0,
        replay=request,
        claimed_until=None,
        next_attempt_at=None,
        delivered_at=None,
        due_at=now + LOOK_AFTER,
    )


def asked_wait(retry_after: str | None, now: datetime) -> float:
    """Seconds that a `Retry-After` asks for (RFC 9110 §10.2.3), at most a day; 0 for none or one that is none."""
    return min(float(LONGEST_WAIT), seconds_until(retry_after, now) or 0.0)


def shown_headers(headers: dict[str, str] | Any) -> dict[str, str]:
    """What is kept of an answer's headers: nothing that could carry a secret."""
    kept = ("content-type", "content-length", "date", "location", "retry-after", "server", "x-request-id")
    return {name: str(headers[name])[:200] for name in kept if name in headers}
