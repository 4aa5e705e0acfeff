"""What is told about webhooks; schemas and samples stand in events/delivery/. Nothing here holds a secret.

`WebhookRequested` is the seed's topic `gpubroker.webhooks`: a request to a webhook that is to be made now.
"""

from datetime import datetime
from typing import Any

from gpubroker.delivery.webhooks.delivery import Delivery
from gpubroker.delivery.webhooks.webhook import Webhook
from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso

EVENT_TYPES = (
    "WebhookCreated",
    "WebhookDeleted",
    "WebhookDeliveryFailed",
    "WebhookDisabled",
    "WebhookReplayRequested",
    "WebhookRequested",
    "WebhookSecretRotated",
)


def _event(kind: str, tenant: str, webhook_id: str, at: datetime, **more: Any) -> Event:
    told = {"webhook_id": webhook_id, "user_id": tenant, "event_type": kind, "timestamp": iso(at)}
    return Event(type=kind, subject=webhook_id, occurred_at=at, data=told | more)


def created(webhook: Webhook, at: datetime) -> Event:
    return _event(
        "WebhookCreated", webhook.tenant, webhook.webhook_id, at, url=webhook.url, events=list(webhook.events)
    )


def deleted(webhook: Webhook, at: datetime) -> Event:
    return _event("WebhookDeleted", webhook.tenant, webhook.webhook_id, at)


def disabled(webhook: Webhook, at: datetime) -> Event:
    """reason: `gone`, `failing` or `plan`."""
    return _event("WebhookDisabled", webhook.tenant, webhook.webhook_id, at, url=webhook.url, reason=webhook.disabled)


def secret_rotated(webhook: Webhook, at: datetime) -> Event:
    older = [secret.until for secret in webhook.secrets if secret.until is not None]
    both_until = iso(max(older)) if older else None
    return _event("WebhookSecretRotated", webhook.tenant, webhook.webhook_id, at, both_until=both_until)


def requested(delivery: Delivery, reason: str, at: datetime) -> Event:
    """reason: `test` or `replay`."""
    return _event(
        "WebhookRequested",
        delivery.tenant,
        delivery.webhook_id,
        at,
        delivery_id=delivery.delivery_id,
        run=delivery.run,
        reason=reason,
    )


def delivery_failed(delivery: Delivery, at: datetime) -> Event:
    """Its schedule is used up. `delivery_id` and `run` are what a redrive needs."""
    outcome = delivery.attempts[-1].outcome if delivery.attempts else None
    return _event(
        "WebhookDeliveryFailed",
        delivery.tenant,
        delivery.webhook_id,
        at,
        delivery_id=delivery.delivery_id,
        run=delivery.run,
        type=delivery.type,
        tries=delivery.tries,
        last_status=outcome.status if outcome else None,
        last_error=outcome.error if outcome else "cut off",
    )


def replay_requested(webhook: Webhook, since: datetime, *, undelivered_only: bool, at: datetime) -> Event:
    return _event(
        "WebhookReplayRequested",
        webhook.tenant,
        webhook.webhook_id,
        at,
        since=iso(since),
        until=iso(at),
        undelivered_only=undelivered_only,
    )
