"""What price plans, discounts, credits and rentals' charges tell: samples, schemas, and the code agree (326, 451)."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from gpubroker.billing import facts
from gpubroker.billing.rental_charges import EVENT_TYPES, billing_event
from gpubroker.kernel.events import Event
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts

FACTS = Facts("billing")
RENTALS = Facts("rentals")
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
TOLD: list[tuple[str, Event]] = [
    (
        facts.INTERVENTION,
        facts.intervention("price-plan-removed", "team", by="usr_1", reason=None, before={"version": 1}, now=NOW),
    ),
    *(("BillingEvent", billing_event(RENTALS.sample_of(kind))) for kind in EVENT_TYPES),
]


@pytest.mark.parametrize("kind", ["AdminIntervention", "BillingEvent"])
def test_each_sample_is_what_its_schema_says(kind: str) -> None:
    sample = FACTS.sample_of(kind)
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.billing")
    jsonschema.validate(sample["detail"], FACTS.schema_of(kind))


@pytest.mark.parametrize(("kind", "event"), TOLD)
def test_what_is_told_is_what_the_schema_says(kind: str, event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FACTS.published(event, monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.billing", kind)
    jsonschema.validate(json.loads(entry["Detail"]), FACTS.schema_of(kind))


def test_a_billing_event_has_the_seeds_fields_and_is_the_rentals_cost() -> None:
    """gpubroker.internal.billing-events {event_type, rental_id, amount, currency, timestamp} (326)"""
    schema = FACTS.schema_of("BillingEvent")
    assert {"event_type", "rental_id", "amount", "currency", "timestamp"} <= set(schema["required"])
    told = RENTALS.sample_of("RentalEnded")
    event = billing_event(told)
    expected = FACTS.sample_of("BillingEvent")["detail"]
    assert event.data == {name: value for name, value in expected.items() if name in event.data}
    assert event.id == billing_event(told).id, "one event for each fact"
    assert billing_event(RENTALS.sample_of("RentalFinalised")).data["event_type"] == "rental_confirmed"


def test_the_rule_asks_for_the_facts_that_are_understood() -> None:
    found: dict[str, Any] = load(ROOT / "infra" / "billing.yaml")["Resources"]["RentalChargesRule"]["Properties"]
    assert found["EventPattern"] == {"source": ["gpubroker.rentals"], "detail-type": list(EVENT_TYPES)}
