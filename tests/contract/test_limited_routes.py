"""Which routes the plan's rate limit covers. # 350: all but health; docs/limits.md says why each other one is not."""

import pytest

from infra.openapi import Endpoint, endpoints

UNLIMITED = {
    "/health": "health",
    "/metrics": "health",
    "/api/v2/providers/health": "health",
    "/api/v1/billing/payments/webhook": "the card processor speaks, and signs what it says",
    "/api/v2/rentals/callbacks/{token}": "an instance speaks, not a caller",
    "/api/v2/providers/stream": "a browser comes back by itself: a bucket of its own (edge/streams.py)",
}
TO_KINESIS = {("POST", "/api/v1/usage/events")}
"""It speaks to a stream, outside the VPC: its calls are counted in the UsageTable."""
AWAY_FROM_REDIS = {
    ("POST", "/api/v2/providers/config/integrations"),
    ("DELETE", "/api/v2/providers/config/integrations/{provider}"),
}
"""They speak to a provider or to Secrets Manager, outside the VPC: tries are counted in the OffersTable."""

TO_THE_PROCESSOR = {("POST", "/api/v1/billing/payment-methods")}
"""It speaks to the card processor, outside the VPC: cards added are counted in the BillingTable."""

OWN_THROTTLE = ("/api/v2/auth/", "/api/v2/admin/users", "/internal/v1/auth/", "/.well-known/")
"""Identity stands outside the VPC, away from Redis: tries are counted in its table."""
OUTSIDE = {
    ("POST", "/api/v2/webhooks"),
    ("PATCH", "/api/v2/webhooks/{webhook_id}"),
    ("POST", "/api/v2/webhooks/{webhook_id}/secret/rotate"),
    ("POST", "/api/v1/usage/thresholds"),
    ("PATCH", "/api/v1/usage/thresholds/{threshold_id}"),
}
"""They make secrets or look up names, outside the VPC: changes are counted in the table of their context."""


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda one: f"{one.method} {one.path}")
def test_every_route_of_offers_and_rentals_is_limited_but_health(endpoint: Endpoint) -> None:
    elsewhere = (
        (endpoint.method, endpoint.path) in AWAY_FROM_REDIS | OUTSIDE | TO_KINESIS | TO_THE_PROCESSOR
        or endpoint.path in UNLIMITED
        or endpoint.path.startswith(OWN_THROTTLE)
    )
    ours = endpoint.path.startswith(("/api/", "/internal/"))
    assert endpoint.handler.limited is (ours and not elsewhere)
