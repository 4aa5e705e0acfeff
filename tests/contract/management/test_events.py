"""The facts that management publishes: each has a sample and a schema, and what the code tells is what they say."""

import json

import jsonschema
import pytest

from gpubroker.management.facts import EVENT_TYPES, order_updated, transaction_updated
from gpubroker.management.states import OrderStatus, TransactionStatus
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts
from tests.contract.management.facts import events
from tests.unit.management.making import a_trade, an_order

FACTS = Facts("management")
ENVELOPE = {"event_id", "occurred_at", "traceparent", "correlation_id"}
TOLD = events()
RESOURCES = load(ROOT / "infra" / "management.yaml")["Resources"]


def test_every_fact_is_made_here() -> None:
    assert sorted(TOLD) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_sample_schema_and_code_say_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample, schema = FACTS.sample_of(kind), FACTS.schema_of(kind)
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.management")
    jsonschema.validate(sample["detail"], schema)
    entry = FACTS.published(TOLD[kind], monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.management", kind)
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema)
    told = {name: value for name, value in detail.items() if name not in ENVELOPE}
    assert told == {name: value for name, value in sample["detail"].items() if name not in ENVELOPE}


@pytest.mark.parametrize("status", list(OrderStatus))
def test_an_order_in_any_state_can_be_told_of(status: OrderStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FACTS.published(order_updated(an_order(status), None), monkeypatch)
    jsonschema.validate(json.loads(entry["Detail"]), FACTS.schema_of("OrderUpdated"))


@pytest.mark.parametrize("status", list(TransactionStatus))
def test_a_transaction_in_any_state_can_be_told_of(status: TransactionStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FACTS.published(transaction_updated(a_trade(), status), monkeypatch)
    jsonschema.validate(json.loads(entry["Detail"]), FACTS.schema_of("TransactionUpdated"))


def test_what_rentals_tell_leads_to_orders() -> None:
    """The rule names facts that rentals publish, and that orders are made of."""
    from gpubroker.management.rental_orders import STATUS_OF

    pattern = RESOURCES["RentalsToFollow"]["Properties"]["EventPattern"]
    assert pattern["source"] == ["gpubroker.rentals"]
    assert sorted(pattern["detail-type"]) == sorted(STATUS_OF)
    published = {path.name.partition(".")[0] for path in (ROOT / "events" / "rentals").glob("*.v1.json")}
    assert set(STATUS_OF) <= published


def test_what_is_recorded_for_audit_comes_from_contexts_of_the_house() -> None:
    pattern = RESOURCES["FactsToRecord"]["Properties"]["EventPattern"]
    assert {"AdminIntervention", "FeesChanged", "UserStatusChanged", "SettlementStateChanged"} <= set(
        pattern["detail-type"]
    )
    published = {path.name.partition(".")[0] for path in (ROOT / "events").glob("*/*.v1.json")}
    known = {"FeesChanged", "PlanChanged", "ServiceAccountCreated", "ServiceAccountRevoked", "SigningKeysRotated"}
    assert known <= published & set(pattern["detail-type"])
