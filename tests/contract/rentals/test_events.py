"""The facts that rentals publish: each has a sample and a schema, and what the rules tell is what they say."""

import json
from typing import Any

import jsonschema
import pytest

from gpubroker.rentals.facts import EVENT_TYPES
from tests.contract.events import Facts
from tests.contract.rentals.facts import events

FACTS = Facts("rentals")
FOLDER = FACTS.folder
schema_of, sample_of, published = FACTS.schema_of, FACTS.sample_of, FACTS.published
TOLD = events()


def test_every_event_type_has_its_sample_and_its_schema_and_no_other_has() -> None:
    assert sorted(TOLD) == sorted(EVENT_TYPES)
    assert sorted(path.name.removesuffix(".v1.json") for path in FOLDER.glob("*.v1.json")) == sorted(EVENT_TYPES)
    assert len(list(FOLDER.glob("*.v1.schema.json"))) == len(EVENT_TYPES)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_sample_is_what_its_schema_says(kind: str) -> None:
    sample = sample_of(kind)
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.rentals")
    jsonschema.validate(sample["detail"], schema_of(kind))


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_the_rules_tell_is_what_the_schema_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published(TOLD[kind], monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.rentals", kind)
    jsonschema.validate(json.loads(entry["Detail"]), schema_of(kind))


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_sample_is_what_the_rules_tell(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detail = json.loads(published(TOLD[kind], monkeypatch)["Detail"])
    assert detail["data"] == sample_of(kind)["detail"]["data"]


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_event_has_the_seeds_fields(kind: str) -> None:  # (323)
    schema = schema_of(kind)
    assert {"rental_id", "user_id", "event_type", "data", "timestamp"} <= set(schema["required"])
    assert schema["properties"]["event_type"] == {"const": kind}


def test_no_fact_has_room_for_a_secret() -> None:
    def names(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*(names(inner) for inner in value.values()))
        return set().union(*(names(inner) for inner in value)) if isinstance(value, list) else set()

    for kind in EVENT_TYPES:
        found = names(schema_of(kind))
        assert not {"env", "start_script", "ssh_public_key", "task_token", "label", "jupyter_url"} & found


def test_the_rule_that_starts_workflows_names_events_that_carry_an_operation() -> None:
    from infra.rules.templates import ROOT, load

    functions = load(ROOT / "infra" / "rentals.yaml")["Resources"]
    pattern = functions["StartWorkflowFunction"]["Properties"]["Events"]["Work"]["Properties"]["Pattern"]
    assert pattern["source"] == ["gpubroker.rentals"]
    for kind in pattern["detail-type"]:
        assert "operation_id" in schema_of(kind)["properties"]["data"]["required"]
