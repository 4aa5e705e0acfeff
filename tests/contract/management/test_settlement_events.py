"""The facts of settlement: each has a sample and a schema, and what the rules tell is what they say."""

import json

import jsonschema
import pytest

from gpubroker.management.settlement.facts import EVENT_TYPES
from gpubroker.management.settlement.settlement import State
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts
from tests.contract.management.settlement_facts import events, refused

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
    entry = FACTS.published(TOLD[kind].event(), monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.management", kind)
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema)
    told = {name: value for name, value in detail.items() if name not in ENVELOPE}
    assert told == {name: value for name, value in sample["detail"].items() if name not in ENVELOPE}


def test_a_refusal_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    detail = json.loads(FACTS.published(refused().event(), monkeypatch)["Detail"])
    jsonschema.validate(detail, FACTS.schema_of("SettlementStateChanged"))
    assert (detail["state"], detail["reason"]) == ("refused", "insufficient-funds")


def test_the_schema_knows_every_state() -> None:
    assert FACTS.schema_of("SettlementStateChanged")["properties"]["state"]["enum"] == [one.value for one in State]


def test_no_fact_holds_a_bank_account() -> None:
    for kind in EVENT_TYPES:
        assert "DE89" not in json.dumps(TOLD[kind].data), kind


def test_settled_says_who_got_what_and_it_adds_up() -> None:
    data = TOLD["TransactionSettled"].data
    assert data["net_micros"] == data["amount_micros"] - data["seller_fee_micros"]
    assert {"transaction_id", "order_id", "buyer", "seller", "at"} <= data.keys()


def test_the_rules_name_facts_that_are_published() -> None:
    pattern = RESOURCES["StartSettlementFunction"]["Properties"]["Events"]["Work"]["Properties"]["Pattern"]
    assert pattern == {"source": ["gpubroker.management"], "detail-type": ["SettlementRequested"]}
    assert {"buyer", "transaction_id", "execution"} <= set(FACTS.schema_of("SettlementRequested")["required"])
    for rule, context in (("RentalTransactionsToSettle", "management"), ("FinalisedRentalsToRefund", "rentals")):
        pattern = RESOURCES[rule]["Properties"]["EventPattern"]
        assert pattern["source"] == [f"gpubroker.{context}"]
        for kind in pattern["detail-type"]:
            told = Facts(context).schema_of(kind)["properties"]
            assert set(pattern.get("detail", {})) <= set(told)
    recorded = RESOURCES["FactsToRecord"]["Properties"]["EventPattern"]["detail-type"]
    assert set(EVENT_TYPES) - {"TransactionSettled"} <= set(recorded)  # the state says it already
