"""One try of a delivery: from the queue the first, from the workflow every other one.

What is written, in its order, so that whatever dies is found by the sweep: the claim (the try counts from here on), the
stop of a dead endpoint, what came of the try; then the workflow is started, or the next of the subject is called.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks import facts, signing, webhook
from gpubroker.delivery.webhooks.delivery import Delivery, Outcome, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries, SlotTaken, Stored
from gpubroker.delivery.webhooks.endpoint import Endpoint
from gpubroker.delivery.webhooks.steps import Ask, Queue, Retries
from gpubroker.delivery.webhooks.vault import Vault
from gpubroker.delivery.webhooks.webhook import Webhook
from gpubroker.delivery.webhooks.webhook_store import WebhookNotFound, Webhooks
from gpubroker.kernel.events import Event
from gpubroker.kernel.time import Clock
from gpubroker.resilience.backoff import Uniform
from gpubroker.resilience.exchange import NotAnswered, Reply
from gpubroker.resilience.outbound import Refused

SECONDS = 10.0
"""For one exchange: name, connection, TLS, answer."""
USER_AGENT = "GPUBROKER-Webhooks/2"


class Post(Protocol):
    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Next:
    """What the workflow does next: wait and try again, or nothing."""

    again: bool
    wait_seconds: int = 0

    def told(self) -> dict[str, Any]:
        return {"state": "again" if self.again else "over", "wait_seconds": self.wait_seconds}


_OVER = Next(again=False)


class Attempts:
    """`elapsed` counts seconds; `clock` says when it is."""

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        deliveries: Deliveries,
        vault: Vault,
        post: Post,
        queue: Queue,
        retries: Retries,
        clock: Clock,
        uniform: Uniform,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._webhooks, self._deliveries, self._vault, self._post = webhooks, deliveries, vault, post
        self._queue, self._retries = queue, retries
        self._clock, self._uniform, self._elapsed = clock, uniform, elapsed

    def first(self, ask: Ask) -> None:
        """A message of the queue: the first try of a run. A second delivery of the message does no harm."""
        found = self._deliveries.find(ask.tenant, ask.webhook_id, ask.delivery_id)
        if found is None:
            return
        delivery, now = found.delivery, self._clock()
        if ask.dead and delivery.status is Status.DEAD and delivery.run == ask.run:
            begun = rules.replayed(delivery, f"redrive of run {ask.run}", now)
            delivery = self._deliveries.save(delivery, begun)
        if delivery.status is Status.RETRYING:
            self._retries.start(delivery, now)  # it may have died before it could
        elif delivery.status is Status.PENDING and not delivery.claimed(now):
            after, step = self._try(Stored(delivery, found.body), direct=True)
            if step is not None and step.again:
                self._put_off(after, ask, step)
            elif after.status is Status.RETRYING:
                self._retries.start(after, self._clock())

    def again(self, ask: Ask) -> Next:
        """A step of the workflow: every other try of a run."""
        found = self._deliveries.find(ask.tenant, ask.webhook_id, ask.delivery_id)
        if found is None or found.delivery.status is not Status.RETRYING or found.delivery.run != ask.run:
            return _OVER
        now = self._clock()
        if found.delivery.claimed(now):
            return Next(again=True, wait_seconds=round(rules.CLAIM.total_seconds()))
        after, step = self._try(found, direct=False)
        if step is not None:
            return step
        if after.status is not Status.RETRYING or after.next_attempt_at is None:
            return _OVER
        return Next(again=True, wait_seconds=max(1, round((after.next_attempt_at - self._clock()).total_seconds())))

    def _try(self, found: Stored, *, direct: bool) -> tuple[Delivery, Next | None]:
        """The delivery after a try, and what follows where no try could be made."""
        delivery, now = found.delivery, self._clock()
        hook = self._webhooks.find(delivery.tenant, delivery.webhook_id)
        if hook is None:
            return self._end(delivery, Status.CANCELLED), None
        if not hook.enabled:
            return self._end(delivery, Status.HELD), None
        if not self._its_turn(delivery):
            return self._deliveries.save(delivery, rules.waiting(delivery, now)), None
        if delivery.tries > len(hook.schedule):  # the last one was cut off
            return self._end(delivery, Status.DEAD), None
        endpoint = self._deliveries.endpoint(delivery.tenant, delivery.webhook_id)
        if direct and endpoint.resting(now):
            rest = ((endpoint.resting_until or now) - now).total_seconds() * self._uniform(1, 1 + rules.JITTER)
            return self._deliveries.save(delivery, rules.later(delivery, rest, now)), None
        secrets = [
            self._vault.open(secret.sealed, tenant=hook.tenant, webhook_id=hook.webhook_id)
            for secret in hook.in_force(now)
        ]
        free = endpoint.free(now)
        if not free:
            return delivery, self._busy()
        slot = free[int(self._uniform(0, len(free))) % len(free)]
        try:
            claimed = self._deliveries.claim(delivery, rules.claim(delivery, now), slot, now)
        except SlotTaken:
            return delivery, self._busy()
        outcome = self._send(hook, claimed, found.body, secrets)
        return self._concluded(hook, claimed, outcome, endpoint, slot), None

    def _busy(self) -> Next:
        return Next(again=True, wait_seconds=round(self._uniform(5, 60)))

    def _put_off(self, delivery: Delivery, ask: Ask, step: Next) -> None:
        """The endpoint is busy: come back later and later. Written first, so that the sweep does not come before."""
        wait = min(step.wait_seconds, 2 ** min(ask.turn, 10))
        due = self._clock() + timedelta(seconds=wait) + rules.LOOK_AFTER
        delivery = self._deliveries.save(delivery, replace(delivery, due_at=due))
        self._queue.send([Ask.of(delivery, turn=ask.turn + 1)], delay_seconds=wait)

    def _its_turn(self, delivery: Delivery) -> bool:
        """Whether nothing of its subject is before it. What stands there and is over is taken away."""
        if delivery.lane is None:
            return True
        while (first := self._deliveries.first_in_lane(delivery)) not in (None, delivery.delivery_id):
            assert first is not None  # noqa: S101  as the loop says
            before = self._deliveries.find(delivery.tenant, delivery.webhook_id, first)
            if before is not None and before.delivery.status.open:
                return False
            self._deliveries.leave_lane(delivery, first)
        return True

    def _send(self, hook: Webhook, delivery: Delivery, body: str, secrets: list[str]) -> Outcome:
        raw = body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signing.headers(secrets, delivery.delivery_id, self._clock(), raw),
        }
        if delivery.traceparent:
            headers["traceparent"] = delivery.traceparent
        begun = self._elapsed()
        try:
            reply = self._post(hook.url, raw, headers, seconds=SECONDS)
        except Refused as error:
            return Outcome(self._since(begun), error=f"not called: the address {error}")
        except NotAnswered as error:
            return Outcome(self._since(begun), error=str(error))
        return Outcome(
            status=reply.status,
            duration_ms=self._since(begun),
            headers=rules.shown_headers(reply.headers),
            excerpt=reply.body[: rules.EXCERPT].decode("utf-8", "replace"),
            whole=reply.whole,
            retry_after=reply.headers.get("retry-after"),
        )

    def _since(self, begun: float) -> int:
        return round((self._elapsed() - begun) * 1000)

    def _concluded(self, hook: Webhook, claimed: Delivery, outcome: Outcome, endpoint: Endpoint, slot: int) -> Delivery:
        now = self._clock()
        after = rules.concluded(claimed, outcome, hook.schedule, now, uniform=self._uniform)
        reason = "gone" if outcome.gone else "failing" if not outcome.delivered and endpoint.stops(now) else None
        if reason is not None:
            self._stop(hook, reason)
            after = rules.ended(after, Status.HELD)
        told = [facts.delivery_failed(after, now)] if after.status is Status.DEAD else []
        after = self._deliveries.conclude(
            claimed, after, *told, endpoint=endpoint, slot=slot, well=outcome.delivered, now=now
        )
        self._call_next(after)
        return after

    def _stop(self, hook: Webhook, reason: str) -> None:
        """Stop a webhook that was read before the try. One that its owner has changed since is another endpoint."""
        now = self._clock()

        def rule(before: Webhook) -> tuple[Webhook, tuple[Event, ...]]:
            after = webhook.disabled(before, reason, now) if before.url == hook.url else before
            return after, (facts.disabled(after, now),) if after is not before else ()

        try:
            self._webhooks.change(hook.tenant, hook.webhook_id, rule)
        except WebhookNotFound:
            return  # deleted meanwhile: the next look at the delivery finds that too

    def _end(self, delivery: Delivery, status: Status) -> Delivery:
        now = self._clock()
        after = rules.ended(delivery, status)
        told = [facts.delivery_failed(after, now)] if status is Status.DEAD else []
        after = self._deliveries.save(delivery, after, *told)
        self._call_next(after)
        return after

    def _call_next(self, delivery: Delivery) -> None:
        """The one behind it in its subject's queue may go."""
        if delivery.lane is None or delivery.status.open:
            return
        first = self._deliveries.first_in_lane(delivery)
        if first is not None:
            self._queue.send([Ask(delivery.tenant, delivery.webhook_id, first)])
