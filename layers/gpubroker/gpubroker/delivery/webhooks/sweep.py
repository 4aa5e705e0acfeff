"""Each minute: deliveries that somebody was to move and did not. A function died between two lines, a message was lost,
a workflow ended early: the delivery says what is due, and this does it again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries
from gpubroker.delivery.webhooks.steps import Ask, Queue, Retries
from gpubroker.kernel.time import Clock
from gpubroker.messaging.log import logger
from gpubroker.storage.transaction import StaleVersion


@dataclass(frozen=True, slots=True)
class Findings:
    """queued: first tries that are asked for again; started: workflows; failed: what could not be moved now."""

    queued: int = 0
    started: int = 0
    failed: int = 0


class Sweep:
    def __init__(self, *, deliveries: Deliveries, queue: Queue, retries: Retries, clock: Clock) -> None:
        self._deliveries, self._queue, self._retries, self._clock = deliveries, queue, retries, clock

    def run(self) -> Findings:
        """Move what is due. What fails is logged and due again in a minute; it costs the others nothing."""
        counts = {"queued": 0, "started": 0, "failed": 0}
        for tenant, webhook_id, delivery_id in list(self._deliveries.due(self._clock())):
            try:
                found = self._deliveries.find(tenant, webhook_id, delivery_id)
                if found is not None and (moved := self._move(found.delivery)):
                    counts[moved] += 1
            except Exception as error:
                counts["failed"] += 1
                logger().error("delivery not moved", extra={"delivery_id": delivery_id, "error": repr(error)})
        return Findings(**counts)

    def _move(self, delivery: Delivery) -> str | None:
        now = self._clock()
        if delivery.due_at is None or delivery.due_at > now or delivery.claimed(now):
            return None  # the index lags, or somebody is at it
        if delivery.status is Status.PENDING:
            return self._moved(delivery, "queued", lambda one: self._queue.send([Ask.of(one)]))
        if self._retries.running(delivery):
            self._kept(delivery, replace(delivery, due_at=now + 2 * rules.LATE))
            return None
        restarted = replace(delivery, run=delivery.run + 1, next_attempt_at=now)
        return self._moved(restarted, "started", lambda one: self._retries.start(one, now), before=delivery)

    def _moved(
        self, after: Delivery, what: str, act: Callable[[Delivery], object], *, before: Delivery | None = None
    ) -> str | None:
        """Written first, so that two sweeps do not do it twice; if it then does not come about, it is due again."""
        due = self._clock() + rules.LATE
        kept = self._kept(before or after, replace(after, due_at=due))
        if kept is None:
            return None
        act(kept)
        return what

    def _kept(self, before: Delivery, after: Delivery) -> Delivery | None:
        try:
            return self._deliveries.save(before, after)
        except StaleVersion:
            return None  # it moves by itself
