"""Webhooks and deliveries as their owners see them. Never the stored item; a secret is shown once."""

from datetime import datetime
from typing import Any

import orjson
from pydantic import Field

from gpubroker.delivery.webhooks.delivery import Attempt, Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Stored
from gpubroker.delivery.webhooks.webhook import Webhook
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class FiltersView(View):
    gpu: list[str]
    provider: list[str]
    region: list[str]


class WebhookView(View):
    """disabled_reason: `gone` (answered 410), `failing` (120 hours long), `plan`, or null; `enabled: true` resumes."""

    webhook_id: str
    url: str
    events: list[str]
    event_types: list[str] = Field(description="what the patterns name today")
    description: str | None
    filters: FiltersView
    ordered: bool
    enabled: bool
    disabled_reason: str | None
    disabled_at: str | None
    retry_schedule: list[int] = Field(description="seconds between tries")
    secrets_in_force: int = Field(description="signatures on each message")
    created_at: str
    updated_at: str | None

    @classmethod
    def of(cls, webhook: Webhook, now: datetime) -> "WebhookView":
        return cls(**_told(webhook, now))


class NewWebhookView(WebhookView):
    """secret: shown this once, null when the same request is repeated (rotate it if it was lost)."""

    secret: str | None


class WebhookPage(View):
    webhooks: list[WebhookView]
    next_cursor: str | None = Field(None, description="always null: there are at most twenty")


class RotatedView(View):
    """The old secret signs beside the new one until then."""

    webhook_id: str
    secret: str | None = Field(description="shown this once, null when the same request is repeated")
    old_secret_until: str | None


class AnswerView(View):
    """What the endpoint answered. body: its first 512 bytes; whole: whether the body came as it was announced."""

    status: int
    headers: dict[str, str]
    body: str
    whole: bool


class AttemptView(View):
    """result: `delivered`, `failed`, or `unknown` for one that is being made or was cut off."""

    at: str
    result: str
    duration_ms: int | None
    answer: AnswerView | None
    error: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptView":
        outcome = attempt.outcome
        if outcome is None:
            return cls(at=iso(attempt.at), result="unknown", duration_ms=None, answer=None, error=None)
        answer = None
        if outcome.status is not None:
            answer = AnswerView(
                status=outcome.status, headers=outcome.headers, body=outcome.excerpt, whole=outcome.whole
            )
        return cls(
            at=iso(attempt.at),
            result="delivered" if outcome.delivered else "failed",
            duration_ms=outcome.duration_ms,
            answer=answer,
            error=outcome.error,
        )


class DeliveryView(View):
    """delivery_id is the `webhook-id` that the endpoint sees, the same in every try and replay."""

    delivery_id: str
    webhook_id: str
    event_id: str
    type: str
    subject: str
    status: Status
    tries: int = Field(description="since it was sent or last replayed")
    attempts: list[AttemptView] = Field(description="the last twenty, the oldest first")
    created_at: str
    next_attempt_at: str | None
    delivered_at: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryView":
        return cls(**_delivery(delivery))


class RequestView(View):
    """What is sent. The signature is left out; `webhook-timestamp` is each try's own."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]


class DeliveryWithRequest(DeliveryView):
    request: RequestView

    @classmethod
    def of_stored(cls, stored: Stored, webhook: Webhook) -> "DeliveryWithRequest":
        headers = {"content-type": "application/json", "webhook-id": stored.delivery.delivery_id}
        if stored.delivery.traceparent:
            headers["traceparent"] = stored.delivery.traceparent
        request = RequestView(url=webhook.url, headers=headers, body=orjson.loads(stored.body))
        return cls(**_delivery(stored.delivery), request=request)


class DeliveryPage(View):
    deliveries: list[DeliveryView]
    next_cursor: str | None = None


class ReplayView(View):
    """Accepted: what happened since then is sent again, as far as it is kept."""

    webhook_id: str
    since: str
    status: str


def _told(webhook: Webhook, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook.webhook_id,
        "url": webhook.url,
        "events": list(webhook.events),
        "event_types": list(webhook.types),
        "description": webhook.description,
        "filters": FiltersView(
            gpu=list(webhook.filters.gpu), provider=list(webhook.filters.provider), region=list(webhook.filters.region)
        ),
        "ordered": webhook.ordered,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled,
        "disabled_at": _iso(webhook.disabled_at),
        "retry_schedule": list(webhook.schedule),
        "secrets_in_force": len(webhook.in_force(now)),
        "created_at": iso(webhook.created_at),
        "updated_at": _iso(webhook.updated_at),
    }


def new_view(webhook: Webhook, secret: str | None, now: datetime) -> NewWebhookView:
    return NewWebhookView(**_told(webhook, now), secret=secret)


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": delivery.delivery_id,
        "webhook_id": delivery.webhook_id,
        "event_id": delivery.event_id,
        "type": delivery.type,
        "subject": delivery.subject,
        "status": delivery.status,
        "tries": delivery.tries,
        "attempts": [AttemptView.of(attempt) for attempt in delivery.attempts],
        "created_at": iso(delivery.created_at),
        "next_attempt_at": _iso(delivery.next_attempt_at),
        "delivered_at": _iso(delivery.delivered_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
