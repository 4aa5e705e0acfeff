"""The facts of accounts: each has a sample and a schema, and what is told is what they say."""

import json

import jsonschema
import pytest

from gpubroker.ledger.facts import EVENT_TYPES
from tests.contract.events import Facts
from tests.contract.ledger.accounts import WITHDRAWAL, events

FACTS = Facts("ledger")
TOLD = events()
EVERY = [(kind, number) for kind, told in TOLD.items() for number in range(len(told))]


def test_every_fact_has_its_sample_and_its_schema() -> None:
    assert sorted(TOLD) == sorted(EVENT_TYPES)
    for kind in EVENT_TYPES:
        assert (FACTS.folder / f"{kind}.v1.json").is_file()
        assert FACTS.schema_of(kind)["additionalProperties"] is False


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_sample_is_what_its_schema_says(kind: str) -> None:
    sample = FACTS.sample_of(kind)
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.ledger")
    jsonschema.validate(sample["detail"], FACTS.schema_of(kind))


@pytest.mark.parametrize(("kind", "number"), EVERY)
def test_what_is_told_is_what_the_schema_says(kind: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FACTS.published(TOLD[kind][number], monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.ledger", kind)
    jsonschema.validate(json.loads(entry["Detail"]), FACTS.schema_of(kind))


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_sample_is_what_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detail = json.loads(FACTS.published(TOLD[kind][0], monkeypatch)["Detail"])
    mark = {"event_id": None, "occurred_at": None, "traceparent": None, "correlation_id": None}
    assert detail | mark == FACTS.sample_of(kind)["detail"] | mark


def test_no_fact_says_where_money_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for told in TOLD.values():
        for event in told:
            assert WITHDRAWAL.destination not in FACTS.published(event, monkeypatch)["Detail"]
