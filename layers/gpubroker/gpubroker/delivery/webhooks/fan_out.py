"""From a fact to the deliveries of those who want to hear of it.

A fact of one tenant reads this tenant's webhooks, of which there are few; a fact of the market reads those that stand
under its facets in the index, a hundred at a time, and what is left of a long list goes on as a message of its own:
an invocation has its bounds in what it writes, since one who wants order gets a delivery for each subject of a fact.
Everything may happen twice: a delivery's id is made of what it is, and its second writing finds the first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks import facts, messages, webhook
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries
from gpubroker.delivery.webhooks.messages import Fact, Part
from gpubroker.delivery.webhooks.steps import Ask, Queue
from gpubroker.delivery.webhooks.webhook import Webhook
from gpubroker.delivery.webhooks.webhook_store import Subscription, Webhooks
from gpubroker.kernel.events import Event
from gpubroker.kernel.time import Clock, parse_iso
from gpubroker.storage.transaction import StaleVersion

PAGE = 100
PAGES = 5
"""Subscribers read, or deliveries written, by one message; then the rest goes on as another one."""
HOLD_BACK_SECONDS = 1
"""Where order was asked for: facts that overtook each other on the bus have so long to come into their order."""

Work = dict[str, Any]


class FanOut:
    def __init__(self, *, webhooks: Webhooks, deliveries: Deliveries, queue: Queue, clock: Clock) -> None:
        self._webhooks, self._deliveries, self._queue, self._clock = webhooks, deliveries, queue, clock

    def on_message(self, told: dict[str, Any]) -> None:
        """An event of the bus, or what is left of one: `{"event": ..., "at": ...}`."""
        event, at = (told["event"], told["at"]) if "at" in told else (told, None)
        match event["detail-type"]:
            case "PlanChanged":
                self._plan_changed(event["detail"])
            case "WebhookReplayRequested":
                self._replay(event, at)
            case _:
                fact = messages.read(event)
                if fact is not None and fact.tenant is not None:
                    self._deliver(fact, self._subscribed_of(fact.tenant, fact.type), PAGES * PAGE)
                elif fact is not None:
                    self._deliver_public(fact, event, at)

    def _subscribed_of(self, tenant: str, event_type: str) -> list[Subscription]:
        hooks = self._webhooks.all_of(tenant)
        return [Subscription.of(hook) for hook in hooks if event_type in hook.types and not hook.disabled]

    def _deliver_public(self, fact: Fact, event: Work, at: list[str] | None) -> None:
        places = sorted({place for item in fact.items for place in webhook.places_of(item.facets)})
        start, after = at or (places[0] if places else "", "")
        room = PAGES * PAGE
        for place in places:
            if place < start:
                continue
            after = after if place == start else ""
            while page := self._webhooks.subscribed(fact.type, place, after=after or None, limit=PAGE):
                if room <= 0:
                    self._queue.go_on({"event": event, "at": [place, after]})
                    return
                served, room = self._deliver(fact, page, room)
                after = page[served - 1].webhook_id
                if served == len(page) < PAGE:
                    break

    def _deliver(self, fact: Fact, subscriptions: Sequence[Subscription], room: int) -> tuple[int, int]:
        """Write what each is to be sent, then have it sent. In this order: what is written and not sent, the sweep
        sends; what was sent and not written would be lost.

        room: how much may be done; a subscription that was begun is served whole. How many were served, and the room
        that is left.
        """
        now, served = self._clock(), 0
        parts = {ordered: messages.parts_of(fact, ordered=ordered) for ordered in (False, True)}
        asks: dict[bool, list[Ask]] = {False: [], True: []}
        for subscription in subscriptions:
            if room <= 0:
                break
            wanted = [
                (part, items)
                for part in parts[subscription.ordered]
                if (items := messages.chosen(part, subscription.filters))
            ]
            for part, items in wanted:
                delivery = rules.made(_delivery(fact, part, subscription, now), held=subscription.held, now=now)
                self._deliveries.add(delivery, messages.body_of(fact, part, items))
                if not subscription.held:
                    asks[subscription.ordered].append(Ask.of(delivery))
            served, room = served + 1, room - max(1, len(wanted))
        self._queue.send(asks[False])
        self._queue.send(asks[True], delay_seconds=HOLD_BACK_SECONDS)
        return served, room

    def _replay(self, event: Work, at: str | None) -> None:
        """Begin anew what a webhook was sent in a span of time. What this request began before is only sent again."""
        told, request = event["detail"], event["detail"]["event_id"]
        tenant, webhook_id, now = told["user_id"], told["webhook_id"], self._clock()
        hook = self._webhooks.find(tenant, webhook_id)
        if hook is None or not hook.enabled:
            return
        end = messages.first_id_since(parse_iso(told["until"]) + timedelta(milliseconds=1))
        after = at or messages.first_id_since(parse_iso(told["since"]))
        for pages in range(PAGES + 1):
            page = self._deliveries.since(tenant, webhook_id, after, limit=PAGE)
            if pages == PAGES and page:
                self._queue.go_on({"event": event, "at": after})
                return
            wanted = [one for one in page if one.delivery_id < end and _replayable(one, request, told)]
            begun = [self._begun(one, request, now) for one in wanted]
            self._queue.send([Ask.of(one) for one in begun if one.status is Status.PENDING])
            if len(page) < PAGE or page[-1].delivery_id >= end:
                return
            after = page[-1].delivery_id

    def _begun(self, delivery: Delivery, request: str, now: datetime) -> Delivery:
        after = rules.replayed(delivery, request, now)
        if after is delivery:
            return delivery
        try:
            return self._deliveries.save(delivery, after)
        except StaleVersion:
            # Somebody else replays it in this moment, or it moves by itself: either way it is on its way.
            return delivery

    def _plan_changed(self, told: dict[str, Any]) -> None:
        """Webhooks come with the plan enterprise; with another one they stop, and say so."""
        if told["new_plan"] == "enterprise":
            return
        now, since = self._clock(), parse_iso(told["occurred_at"])

        def rule(before: Webhook) -> tuple[Webhook, tuple[Event, ...]]:
            after = webhook.without_plan(before, since, now)
            return after, (facts.disabled(after, now),) if after is not before else ()

        for hook in self._webhooks.all_of(told["user_id"]):
            self._webhooks.change(hook.tenant, hook.webhook_id, rule)


def _replayable(delivery: Delivery, request: str, told: dict[str, Any]) -> bool:
    if delivery.replay == request:
        return True
    return not delivery.status.open and not (told["undelivered_only"] and delivery.status is Status.DELIVERED)


def _delivery(fact: Fact, part: Part, subscription: Subscription, now: datetime) -> Delivery:
    return Delivery(
        tenant=subscription.tenant,
        webhook_id=subscription.webhook_id,
        delivery_id=messages.message_id(fact.event_id, fact.occurred_at, part.label, subscription.webhook_id),
        event_id=fact.event_id,
        type=fact.type,
        subject=part.subject or fact.type,
        order=part.order if subscription.ordered else None,
        created_at=now,
        traceparent=fact.traceparent,
    )
