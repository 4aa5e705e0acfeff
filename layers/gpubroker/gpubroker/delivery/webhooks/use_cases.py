"""What the owner of webhooks may do: make, see, change, pause and delete them, rotate their secrets, send a test, see
what was delivered, and have it sent again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks import facts, signing, webhook
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries
from gpubroker.delivery.webhooks.items import DeliveryItem, WebhookItem
from gpubroker.delivery.webhooks.requests import ReplayRequest, WebhookChange, WebhookRequest
from gpubroker.delivery.webhooks.vault import Vault
from gpubroker.delivery.webhooks.views import (
    DeliveryPage,
    DeliveryView,
    DeliveryWithRequest,
    NewWebhookView,
    ReplayView,
    RotatedView,
    WebhookPage,
    WebhookView,
    new_view,
)
from gpubroker.delivery.webhooks.webhook import Secret, Webhook
from gpubroker.delivery.webhooks.webhook_store import WebhookNotFound, Webhooks
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, Invalid, Problem
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import Clock, iso, parse_iso
from gpubroker.kernel.trace import traceparent_now
from gpubroker.resilience.outbound import Guard, Refused
from gpubroker.storage import idempotency as stored
from gpubroker.storage.table import Item
from gpubroker.storage.transaction import StaleVersion


class WebhookStopped(Conflict):
    code = "webhook-not-enabled"
    title = "This webhook is paused or stopped; enable it first"


class DeliveryUnderWay(Conflict):
    code = "webhook-delivery-under-way"
    title = "This delivery is under way already"


class Desk:
    """What needs the table only, so that it may stand inside the VPC. What is to be sent leaves by the outbox."""

    def __init__(self, *, webhooks: Webhooks, deliveries: Deliveries, clock: Clock) -> None:
        self._webhooks, self._deliveries, self._clock = webhooks, deliveries, clock

    def page(self, caller: Caller) -> WebhookPage:
        now = self._clock()
        return WebhookPage(webhooks=[WebhookView.of(hook, now) for hook in self._webhooks.all_of(caller.tenant)])

    def one(self, caller: Caller, webhook_id: str) -> WebhookView:
        """Raises WebhookNotFound."""
        return WebhookView.of(self._webhooks.of(caller.tenant, webhook_id), self._clock())

    def delete(self, caller: Caller, webhook_id: str) -> None:
        """Its deliveries end with it. Raises WebhookNotFound."""
        while True:
            hook = self._webhooks.of(caller.tenant, webhook_id)
            try:
                return self._webhooks.delete(hook, facts.deleted(hook, self._clock()))
            except StaleVersion:
                continue  # changed meanwhile: look again

    def test(self, caller: Caller, webhook_id: str, idempotency: Idempotency | None) -> DeliveryView:
        """Send a message of type `webhook.test` now. Raises WebhookNotFound, WebhookStopped."""
        now = self._clock()
        hook = self._enabled(caller, webhook_id)
        delivery = Delivery(
            tenant=hook.tenant,
            webhook_id=hook.webhook_id,
            delivery_id=new_id("msg"),
            event_id=new_id("evt"),
            type=webhook.TEST,
            subject=f"webhook:{hook.webhook_id}",
            created_at=now,
            traceparent=traceparent_now(),
        )
        delivery = rules.made(delivery, held=False, now=now)
        body = {
            "type": webhook.TEST,
            "timestamp": iso(now),
            "event_id": delivery.event_id,
            "part": 1,
            "parts": 1,
            "data": {"webhook_id": hook.webhook_id, "event_types": list(hook.types)},
        }
        view = DeliveryView.of(delivery)
        try:
            self._deliveries.create(
                delivery,
                orjson.dumps(body).decode(),
                facts.requested(delivery, "test", now),
                idempotency=idempotency,
                answer=view.model_dump(mode="json"),
            )
        except Problem as problem:
            return DeliveryView.model_validate(replayed(DeliveryItem, idempotency, problem))
        return view

    def deliveries(self, caller: Caller, webhook_id: str, limit: int, before: str | None) -> tuple[DeliveryPage, Any]:
        """What was sent to it, the newest first, and the position to go on from. Raises WebhookNotFound."""
        self._webhooks.of(caller.tenant, webhook_id)
        found = self._deliveries.newest_of(caller.tenant, webhook_id, limit + 1, before=before)
        onward = found[limit - 1].delivery_id if len(found) > limit else None
        return DeliveryPage(deliveries=[DeliveryView.of(one) for one in found[:limit]]), onward

    def delivery(self, caller: Caller, webhook_id: str, delivery_id: str) -> DeliveryWithRequest:
        """Raises WebhookNotFound, DeliveryNotFound."""
        hook = self._webhooks.of(caller.tenant, webhook_id)
        return DeliveryWithRequest.of_stored(self._deliveries.of(caller.tenant, webhook_id, delivery_id), hook)

    def replay(
        self, caller: Caller, webhook_id: str, delivery_id: str, idempotency: Idempotency | None
    ) -> DeliveryView:
        """Send a delivery again now, under its id. Raises WebhookStopped, DeliveryUnderWay, StaleVersion."""
        now = self._clock()
        self._enabled(caller, webhook_id)
        before = self._deliveries.of(caller.tenant, webhook_id, delivery_id).delivery
        try:
            if before.status is Status.PENDING or before.claimed(now):
                raise DeliveryUnderWay("It is being sent; look at it again in a moment.", retry_after=5)
            after = rules.replayed(before, new_id("rpl"), now)
            view = DeliveryView.of(after)
            self._deliveries.save(
                before,
                after,
                facts.requested(after, "replay", now),
                idempotency=idempotency,
                answer=view.model_dump(mode="json"),
            )
        except Problem as problem:
            return DeliveryView.model_validate(replayed(DeliveryItem, idempotency, problem))
        return view

    def replay_since(
        self, caller: Caller, webhook_id: str, wanted: ReplayRequest, idempotency: Idempotency | None
    ) -> ReplayView:
        """Have everything since a moment sent again; it is begun behind this. Raises WebhookStopped, Invalid."""
        now, since = self._clock(), parse_iso(wanted.since)
        if since > now:
            raise Invalid.of("since", "is in the future")
        since = max(since, now - rules.KEPT)
        hook = self._enabled(caller, webhook_id)
        view = ReplayView(webhook_id=webhook_id, since=iso(since), status=wanted.status)
        fact = facts.replay_requested(hook, since, undelivered_only=wanted.status == "undelivered", at=now)
        try:
            self._webhooks.tell(fact, idempotency=idempotency, answer=view.model_dump(mode="json"))
        except Problem as problem:
            return ReplayView.model_validate(replayed(WebhookItem, idempotency, problem))
        return view

    def _enabled(self, caller: Caller, webhook_id: str) -> Webhook:
        hook = self._webhooks.of(caller.tenant, webhook_id)
        if not hook.enabled:
            raise WebhookStopped('PATCH it with {"enabled": true} first.')
        return hook


class SecretDesk:
    """What makes secrets or looks up names: outside the VPC, counted in the table instead of Redis."""

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        vault: Callable[[], Vault],
        guard: Guard,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._webhooks, self._vault, self._guard = webhooks, vault, guard
        self._clock, self._randomness = clock, randomness

    def create(self, caller: Caller, wanted: WebhookRequest, idempotency: Idempotency | None) -> NewWebhookView:
        """Raises Invalid on `url`, TooManyWebhooks, TooManyChanges.

        A repeated request makes no second webhook and is answered without the secret, which is shown once.
        """
        now = self._clock()
        self._webhooks.count_change(caller.tenant, now)
        secret = signing.new_secret(self._randomness)
        try:
            hook = self._made(caller, wanted, secret, now)
            self._webhooks.create(
                hook,
                facts.created(hook, now),
                idempotency=idempotency,
                answer=lambda made: new_view(made, None, now).model_dump(mode="json"),
            )
        except Problem as problem:
            return NewWebhookView.model_validate(replayed(WebhookItem, idempotency, problem))
        return new_view(hook, secret, now)

    def _made(self, caller: Caller, wanted: WebhookRequest, secret: str, now: datetime) -> Webhook:
        self._check(wanted.url)
        webhook_id = new_id("whk")
        sealed = self._vault().seal(secret, tenant=caller.tenant, webhook_id=webhook_id)
        return Webhook(
            webhook_id=webhook_id,
            tenant=caller.tenant,
            url=wanted.url,
            events=tuple(wanted.events),
            created_at=now,
            secrets=(Secret(sealed),),
            description=wanted.description,
            filters=wanted.filters.filters(),
            ordered=wanted.ordered,
            enabled=wanted.enabled,
            retry_schedule=None if wanted.retry_schedule is None else tuple(wanted.retry_schedule),
        )

    def change(self, caller: Caller, webhook_id: str, wanted: WebhookChange) -> WebhookView:
        """Raises WebhookNotFound, Invalid on `url`, TooManyChanges."""
        now = self._clock()
        self._webhooks.count_change(caller.tenant, now)
        self._webhooks.of(caller.tenant, webhook_id)
        if wanted.url is not None:
            self._check(wanted.url)

        def rule(before: Webhook) -> tuple[Webhook, tuple[Event, ...]]:
            return webhook.changed(before, wanted.changes(), now), ()

        return WebhookView.of(self._webhooks.change(caller.tenant, webhook_id, rule), now)

    def rotate(self, caller: Caller, webhook_id: str, idempotency: Idempotency | None) -> RotatedView:
        """A new secret; the old one signs beside it for 24 hours. Raises WebhookNotFound, RotatedTooOften."""
        now = self._clock()
        self._webhooks.count_change(caller.tenant, now)
        secret = signing.new_secret(self._randomness)

        def rule(before: Webhook) -> tuple[Webhook, tuple[Event, ...]]:
            sealed = self._vault().seal(secret, tenant=before.tenant, webhook_id=before.webhook_id)
            after = webhook.rotated(before, sealed, now)
            return after, (facts.secret_rotated(after, now),)

        try:
            hook = self._webhooks.change(
                caller.tenant,
                webhook_id,
                rule,
                idempotency=idempotency,
                answer=lambda after: _rotated(after, None, now).model_dump(mode="json"),
            )
        except WebhookNotFound:
            raise
        except Problem as problem:
            return RotatedView.model_validate(replayed(WebhookItem, idempotency, problem))
        return _rotated(hook, secret, now)

    def _check(self, url: str) -> None:
        try:
            self._guard.check(url)
        except Refused as refused:
            raise Invalid.of("url", str(refused)) from None


def _rotated(hook: Webhook, secret: str | None, now: datetime) -> RotatedView:
    old = [one.until for one in hook.secrets if one.until is not None and one.until > now - timedelta(seconds=1)]
    return RotatedView(webhook_id=hook.webhook_id, secret=secret, old_secret_until=iso(max(old)) if old else None)


def replayed(model: type[Item], idempotency: Idempotency | None, problem: Problem) -> dict[str, Any]:
    """The stored answer, where this very request took effect before; else the problem that it met now is raised."""
    if idempotency is None:
        raise problem
    try:
        return stored.replay(model, idempotency)
    except stored.KeyReused:
        raise
    except Problem:
        raise problem from None  # the key was never used: what it met now is the answer
