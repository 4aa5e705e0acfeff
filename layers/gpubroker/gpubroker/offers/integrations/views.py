"""Integrations as their tenant sees them. The key is not among what is kept here, so it cannot be shown."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from gpubroker.kernel.schemas import View
from gpubroker.offers.integrations.store import Integration, Status

Shown = Literal["active", "saving", "interrupted", "removing"]


class IntegrationView(View):
    """One's own key at a provider, without the key. Times are UTC."""

    integration_id: str
    provider: str
    status: Shown = Field(
        description="active: new rentals there use it, and the provider bills you. saving: not in force yet. "
        "interrupted: saving it again was cut off, so either key may be in force: save it once more. "
        "removing: no new rental uses it; remove it once more if it stays"
    )
    fingerprint: str | None = Field(description="tells two keys apart, and nothing else about them")
    created_at: str
    verified_at: str | None = Field(description="when the provider last accepted it on saving")
    rotated_at: str | None = Field(description="when another key took the place of the one before")

    @classmethod
    def of(cls, one: Integration, now: float) -> "IntegrationView":
        cut_off = one.status is Status.ACTIVE and not one.settled and one.busy_until <= now
        return cls(
            integration_id=one.integration_id,
            provider=one.provider,
            status="interrupted" if cut_off else one.status.value,
            fingerprint=one.fingerprint,
            created_at=one.created_at,
            verified_at=one.verified_at,
            rotated_at=one.rotated_at,
        )


class IntegrationsView(View):
    """All of them, by provider; there are never more than providers."""

    integrations: list[IntegrationView]

    @classmethod
    def of(cls, found: Iterable[Integration], now: float) -> "IntegrationsView":
        return cls(integrations=[IntegrationView.of(one, now) for one in found])
