"""The facts that prices publish: each has a sample and a schema, and the code makes what they say (321)."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpubroker.messaging import relay
from gpubroker.messaging.price_stream import packed
from gpubroker.prices.changes import read
from gpubroker.prices.detector import Series, detect
from gpubroker.prices.facts import MOST, facts_of
from gpubroker.storage.outbox import encode
from tests.unit.prices.changing import NOW_MS, change

FOLDER = Path(__file__).parents[3] / "events" / "prices"
KINDS = ("PricesUpdated", "PriceChangesDetected", "PriceAnomaliesDetected", "PricesAveraged")


def schema_of(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / f"{kind}.v1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def sample_of(kind: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((FOLDER / f"{kind}.v1.json").read_text())
    return sample


@pytest.mark.parametrize("kind", KINDS)
def test_each_sample_keeps_its_schema(kind: str) -> None:
    sample = sample_of(kind)
    jsonschema.validate(sample["detail"], schema_of(kind))
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.prices")


def published(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []

    class Bus:
        def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, int]:  # noqa: N803 - boto3's spelling
            entries.extend(Entries)
            return {"FailedEntryCount": 0}

    monkeypatch.setenv("EVENT_BUS", "gpubroker")
    monkeypatch.setattr(relay, "_client", lambda service: Bus())
    for event in events:
        relay.publish([json.loads(encode(event, source="prices", target="bus"))])
    return entries


def test_findings_are_published_as_their_schemas_say(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = [change("a", 2_000_000, at_ms=NOW_MS - n * 1000) for n in range(20, 0, -1)]
    others = [change(f"o{n}", 2_000_000 + n, region=None) for n in range(MOST)]
    found, _ = read(packed([*flat, change("a", 3_000_000), *others]), NOW_MS)
    findings = detect(found, {one[1]: Series() for one in found} | {"a": Series()}, now_ms=NOW_MS)

    entries = published(monkeypatch, list(facts_of(findings, "p00")))
    names = {"PricesUpdated": "updates", "PriceChangesDetected": "changes", "PriceAnomaliesDetected": "anomalies"}
    told: dict[str, int] = {}
    for entry in entries:
        detail = json.loads(entry["Detail"])
        jsonschema.validate(detail, schema_of(entry["DetailType"]))
        sample = sample_of(entry["DetailType"])
        assert entry["Source"] == sample["source"]
        assert set(detail) == set(sample["detail"])
        rows = detail[names[entry["DetailType"]]]
        assert set(rows[0]) == set(sample["detail"][names[entry["DetailType"]]][0])
        told[entry["DetailType"]] = told.get(entry["DetailType"], 0) + len(rows)
    assert told == {"PricesUpdated": 121, "PriceChangesDetected": 1, "PriceAnomaliesDetected": 1}
