"""Where webhooks are kept: the webhook, its places in the index, the tenant's count, its facts and the idempotency
record are one write. Nothing is ever scanned."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.delivery.webhooks import webhook as rules
from gpubroker.delivery.webhooks.items import (
    CountItem,
    EndpointItem,
    SubscribedItem,
    WebhookItem,
    subscribed_pk,
    webhook_pk,
)
from gpubroker.delivery.webhooks.webhook import Filters, Webhook
from gpubroker.kernel.errors import Conflict, NotFound, TooManyRequests, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.throttle import Limit, Throttle, count_of
from gpubroker.storage.transaction import StaleVersion, Writes, transaction

CHANGES = Limit("webhook-changes", tries=60, seconds=60)
_TRIES = 8

Answer = Callable[[Webhook], dict[str, Any]]


class WebhookNotFound(NotFound):
    code = "webhook-not-found"
    title = "There is no such webhook"


class TooManyWebhooks(Conflict):
    code = "too-many-webhooks"
    title = "There are as many webhooks as there may be"


class TooManyChanges(TooManyRequests):
    code = "too-many-webhook-changes"
    title = "Webhooks are changed too often; wait a minute"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What fan-out needs to know of a webhook. held: paused by its owner; what happens is kept, not sent."""

    tenant: str
    webhook_id: str
    filters: Filters
    ordered: bool
    held: bool

    @classmethod
    def of(cls, webhook: Webhook) -> "Subscription":
        return cls(webhook.tenant, webhook.webhook_id, webhook.filters, webhook.ordered, not webhook.enabled)


class Webhooks:
    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def create(self, webhook: Webhook, *facts: Event, idempotency: Idempotency | None, answer: Answer) -> Webhook:
        """Write a new webhook, or nothing. Raises TooManyWebhooks, AlreadyDone."""
        with transaction(WebhookItem) as tx:
            stored.remember(tx, WebhookItem, idempotency, answer(webhook) if idempotency else {})
            tx.put(WebhookItem.of(webhook), condition=WebhookItem.pk.does_not_exist())
            tx.update(
                _count(webhook.tenant),
                actions=[CountItem.number.add(1)],
                condition=CountItem.number.does_not_exist() | (CountItem.number < rules.WEBHOOKS),
                lost=TooManyWebhooks(f"A tenant may have {rules.WEBHOOKS} webhooks."),
            )
            _index(tx, None, webhook)
            _tell(tx, facts)
        return webhook

    def of(self, tenant: str, webhook_id: str) -> Webhook:
        """One strongly consistent read. Raises WebhookNotFound, for another tenant's too."""
        found = self.find(tenant, webhook_id)
        if found is None:
            raise WebhookNotFound(f"There is no webhook {webhook_id}.")
        return found

    def find(self, tenant: str, webhook_id: str) -> Webhook | None:
        try:
            return WebhookItem.get(webhook_pk(tenant), webhook_id, consistent_read=True).value()
        except DoesNotExist:
            return None

    def all_of(self, tenant: str) -> list[Webhook]:
        """Every webhook of a tenant, the newest first: there are few."""
        found = WebhookItem.query(webhook_pk(tenant), scan_index_forward=False, consistent_read=True)
        return [item.value() for item in found]

    def change(
        self,
        tenant: str,
        webhook_id: str,
        rule: Callable[[Webhook], tuple[Webhook, tuple[Event, ...]]],
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Webhook:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        A rule that changes nothing writes nothing. Raises WebhookNotFound, AlreadyDone.
        """
        for attempt in range(_TRIES):
            before = self.of(tenant, webhook_id)
            after, facts = rule(before)
            if after is before and idempotency is None:
                return before
            after = replace(after, version=before.version + 1)
            try:
                with transaction(WebhookItem) as tx:
                    if idempotency is not None and answer is not None:
                        stored.remember(tx, WebhookItem, idempotency, answer(after))
                    tx.put(WebhookItem.of(after), condition=WebhookItem.version == before.version)
                    _index(tx, before, after)
                    if before.url != after.url or (before.disabled and not after.disabled):
                        # Another place, or another chance: what failed before is forgiven.
                        tx.delete(EndpointItem.key(tenant, webhook_id))
                    _tell(tx, facts)
                return after
            except StaleVersion:
                self._sleep(0.02 * 2**attempt)
        raise Unavailable(f"{webhook_id} is changing too fast; try again.", retry_after=1)

    def delete(self, webhook: Webhook, *facts: Event) -> None:
        """Remove it. Raises StaleVersion when it has changed or is gone."""
        with transaction(WebhookItem) as tx:
            tx.delete(WebhookItem.of(webhook), condition=WebhookItem.version == webhook.version)
            tx.delete(EndpointItem.key(webhook.tenant, webhook.webhook_id))
            tx.update(_count(webhook.tenant), actions=[CountItem.number.add(-1)])
            _index(tx, webhook, None)
            _tell(tx, facts)

    def tell(self, fact: Event, *, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
        """Make something known that changes no webhook. Raises AlreadyDone."""
        with transaction(WebhookItem) as tx:
            stored.remember(tx, WebhookItem, idempotency, answer)
            _tell(tx, (fact,))

    def subscribed(self, event_type: str, place: str, *, after: str | None, limit: int) -> list[Subscription]:
        """Who hears of a fact of the market under one facet, by webhook id, from behind the id `after` on."""
        found = SubscribedItem.query(
            subscribed_pk(event_type, place),
            SubscribedItem.sk > after if after else None,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [
            Subscription(item.tenant, item.sk, item.wanted(), bool(item.ordered), bool(item.held)) for item in found
        ]

    def count_change(self, tenant: str, now: datetime) -> None:
        """For functions away from Redis: at most sixty changes a minute and tenant. Raises TooManyChanges."""
        moment = now.timestamp()
        count = count_of(CHANGES, tenant, moment)
        with transaction(CountItem) as tx:
            lost = TooManyChanges(
                f"Webhooks can be changed {CHANGES.tries} times a minute.", retry_after=count.retry_after(moment)
            )
            Throttle("DELIVERY_TABLE").add(tx, count, lost=lost)


def _count(tenant: str) -> CountItem:
    return CountItem(pk=f"{tenant}#WEBHOOKS", sk="COUNT")


def _index(tx: Writes, before: Webhook | None, after: Webhook | None) -> None:
    """Move a webhook's places in the index: what it has left goes, where it stands is written anew."""
    left = (before.places() if before else set()) - (after.places() if after else set())
    for event_type, place in sorted(left):
        assert before is not None  # noqa: S101  it has left something
        tx.delete(SubscribedItem.of(before, event_type, place))
    if after is not None and (before is None or _told(before) != _told(after)):
        for event_type, place in sorted(after.places()):
            tx.put(SubscribedItem.of(after, event_type, place))


def _told(webhook: Webhook) -> tuple[object, ...]:
    return webhook.places(), webhook.filters, webhook.ordered, webhook.enabled


def _tell(tx: Writes, facts: Iterable[Event]) -> None:
    for fact in facts:
        tx.put(outbox_item(WebhookItem, fact, source="delivery"))
