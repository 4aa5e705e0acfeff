"""PriceAlertTriggered has a schema and a sample, and what the code tells is what they say. # (254), (332)"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpubroker.messaging import relay
from gpubroker.storage.outbox import encode
from infra.rules.templates import ROOT, load
from tests.contract.prices.alert_facts import triggered

FOLDER = Path(__file__).parents[3] / "events" / "prices"
SCHEMA: dict[str, Any] = json.loads((FOLDER / "PriceAlertTriggered.v1.schema.json").read_text())
SAMPLE: dict[str, Any] = json.loads((FOLDER / "PriceAlertTriggered.v1.json").read_text())


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The entry that the relay gives to the bus."""
    entries: list[dict[str, Any]] = []

    class Bus:
        def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, int]:  # noqa: N803 - boto3's spelling
            entries.extend(Entries)
            return {"FailedEntryCount": 0}

    monkeypatch.setenv("EVENT_BUS", "gpubroker")
    monkeypatch.setattr(relay, "_client", lambda service: Bus())
    relay.publish([json.loads(encode(triggered(), source="prices", target="bus"))])
    return entries[0]


def test_the_sample_is_what_its_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert (SAMPLE["detail-type"], SAMPLE["source"]) == ("PriceAlertTriggered", "gpubroker.prices")
    jsonschema.validate(SAMPLE["detail"], SCHEMA)


def test_what_the_code_tells_is_what_the_schema_and_the_sample_say(published: dict[str, Any]) -> None:
    assert (published["Source"], published["DetailType"]) == ("gpubroker.prices", "PriceAlertTriggered")
    detail = json.loads(published["Detail"])
    jsonschema.validate(detail, SCHEMA)
    told = {key for key in SAMPLE["detail"] if key not in ("traceparent", "correlation_id")}
    assert {key: detail[key] for key in told} == {key: SAMPLE["detail"][key] for key in told}


def test_the_same_crossing_is_the_same_fact_and_another_is_another() -> None:
    assert triggered().id == triggered().id
    other = triggered()
    assert other.id != _with_sequence(4)


def _with_sequence(sequence: int) -> str:
    from gpubroker.prices.alerts import facts
    from tests.unit.prices.alerts.making import a_change, after, an_alert

    return facts.triggered(an_alert(), a_change(2, 1).quote, sequence=sequence, now=after()).id


def test_alerts_hear_of_every_change_of_a_price_by_a_rule_of_their_own() -> None:
    rule = load(ROOT / "infra" / "prices.yaml")["Resources"]["PricesUpdatedForAlerts"]["Properties"]
    assert rule["EventPattern"] == {"source": ["gpubroker.prices"], "detail-type": ["PricesUpdated"]}
