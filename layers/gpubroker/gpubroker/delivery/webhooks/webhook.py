"""A webhook: where to, what of, and under which secrets. Pure: no clock, no I/O."""

import fnmatch
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gpubroker.kernel.errors import Conflict

PUBLIC = ("price_change", "price_anomaly", "provider_health")
"""Types of the market, which everybody may hear of."""
OWN = ("price_alert", "rental_status", "usage_threshold")
"""Types of one tenant's things, which only this tenant hears of."""
EVENT_TYPES = tuple(sorted(PUBLIC + OWN))
TEST = "webhook.test"

DEFAULT_SCHEDULE = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""Seconds between a failed try and the next: about 42 hours together."""
LONGEST_SCHEDULE = 12
LONGEST_WAIT = 24 * 3600
LONGEST_TOGETHER = 7 * 24 * 3600

WEBHOOKS = 20
"""How many a tenant may have."""
BOTH_SECRETS_FOR = timedelta(hours=24)
PLAN_LAG = timedelta(minutes=1)
"""Twice as long as a verified credential is believed without asking again (identity)."""
SECRETS = 3
"""How many may be in force at once."""


class RotatedTooOften(Conflict):
    code = "webhook-secret-rotated-too-often"
    title = "Three secrets of this webhook are in force already"


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the market is wanted: one of each list that is given. An empty list asks for nothing particular."""

    gpu: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    region: tuple[str, ...] = ()

    def match(self, facets: "Facets") -> bool:
        """Whether something with these facets is wanted. What has no such facet at all is not held against it."""
        wanted_and_found = ((self.gpu, facets.gpu), (self.provider, facets.provider), (self.region, facets.region))
        return all(
            found is None or not wanted or plain(found) in map(plain, wanted) for wanted, found in wanted_and_found
        )

    def places(self) -> tuple[str, ...]:
        """Under which facets a subscription stands in the index: its most telling filter's values, or `*`."""
        for name, values in (("gpu", self.gpu), ("provider", self.provider), ("region", self.region)):
            if values:
                return tuple(sorted({f"{name}={plain(value)}" for value in values}))
        return ("*",)


@dataclass(frozen=True, slots=True)
class Facets:
    """gpu, provider and region of one thing of the market; None where it has none (a provider's health, no region)."""

    gpu: str | None = None
    provider: str | None = None
    region: str | None = None


def places_of(facets: Facets) -> set[str]:
    """Under which facets subscriptions may stand that want something with these."""
    named = (("gpu", facets.gpu), ("provider", facets.provider), ("region", facets.region))
    return {"*", *(f"{name}={plain(value)}" for name, value in named if value)}


def plain(value: str) -> str:
    """How values are compared: `H100` is `h100`."""
    return " ".join(value.lower().split())


def types_of(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The event types that patterns (`price_*`, `*`) name, sorted; empty when they name none."""
    return tuple(kind for kind in EVENT_TYPES if any(fnmatch.fnmatchcase(kind, pattern) for pattern in patterns))


@dataclass(frozen=True, slots=True)
class Secret:
    """sealed  by the vault; until  when it stops signing, None for the present one."""

    sealed: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """ordered         one message a subject (offer, rental, provider, alert), the next one when the last is delivered
    retry_schedule  seconds between tries; None for the default
    disabled        why the house has stopped it: `gone` (410), `failing` (120 hours), `plan`; None when it has not
    """

    webhook_id: str
    tenant: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    secrets: tuple[Secret, ...]
    description: str | None = None
    filters: Filters = field(default_factory=Filters)
    ordered: bool = False
    enabled: bool = True
    retry_schedule: tuple[int, ...] | None = None
    disabled: str | None = None
    disabled_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1

    @property
    def schedule(self) -> tuple[int, ...]:
        return DEFAULT_SCHEDULE if self.retry_schedule is None else self.retry_schedule

    @property
    def types(self) -> tuple[str, ...]:
        return types_of(self.events)

    def places(self) -> set[tuple[str, str]]:
        """(event type, facet) under which it stands in the index: none for what only its tenant hears of, and none
        while the house has stopped it."""
        if self.disabled:
            return set()
        health = Filters(provider=self.filters.provider)  # health has neither gpu nor region
        return {
            (kind, place)
            for kind in self.types
            if kind in PUBLIC
            for place in (health if kind == "provider_health" else self.filters).places()
        }

    def in_force(self, now: datetime) -> tuple[Secret, ...]:
        """The secrets that sign now, the present one first."""
        return tuple(secret for secret in self.secrets if secret.until is None or secret.until > now)


def changed(webhook: Webhook, changes: dict[str, Any], now: datetime) -> Webhook:
    """The webhook with some fields replaced. Turning it on again forgets why the house had stopped it."""
    changes = {name: value for name, value in changes.items() if getattr(webhook, name) != value}
    if changes.get("enabled", webhook.enabled) and webhook.disabled:
        changes |= {"disabled": None, "disabled_at": None}
    return replace(webhook, **changes, updated_at=now) if changes else webhook


def disabled(webhook: Webhook, reason: str, now: datetime) -> Webhook:
    """Stopped by the house."""
    if webhook.disabled:
        return webhook
    return replace(webhook, enabled=False, disabled=reason, disabled_at=now, updated_at=now)


def without_plan(webhook: Webhook, since: datetime, now: datetime) -> Webhook:
    """Stopped because since then its owner's plan has no webhooks.

    One that its owner made or changed clearly later is left alone: for that he had the plan again, so that the news is
    an old one, told late or once more. A credential may be taken for one of the plan before for `PLAN_LAG`.
    """
    touched = webhook.updated_at or webhook.created_at
    return webhook if touched > since + PLAN_LAG else disabled(webhook, "plan", now)


def rotated(webhook: Webhook, sealed: str, now: datetime) -> Webhook:
    """A new present secret; the one before it signs beside it for 24 hours. Raises RotatedTooOften."""
    kept = webhook.in_force(now)
    if len(kept) >= SECRETS:
        raise RotatedTooOften("Wait until one of the older ones has run out.")
    older = tuple(replace(one, until=one.until or now + BOTH_SECRETS_FOR) for one in kept)
    return replace(webhook, secrets=(Secret(sealed), *older), updated_at=now)
