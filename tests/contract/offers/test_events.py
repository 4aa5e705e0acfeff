"""The facts that offers publish: each has a sample and a schema, and the code makes what they say (321, 322)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpubroker.kernel.events import Event
from gpubroker.messaging import relay
from gpubroker.messaging.price_stream import partition_of, rows
from gpubroker.offers.integrations import use_cases
from gpubroker.offers.integrations.store import Integration
from gpubroker.offers.offer import Availability
from gpubroker.offers.snapshot import availability_changes, health_changes, price_changes
from gpubroker.offers.state import PartState
from gpubroker.offers.store import Fact
from gpubroker.storage.outbox import encode
from tests.unit.offers.making import AT, an_offer, repriced

FOLDER = Path(__file__).parents[3] / "events" / "offers"
WELL = PartState(provider="vastai", outcome="ok", checked_at=AT, fetched_at=AT, offers=40)
ILL = replace(WELL, outcome="failed", error="ProviderUnavailable", failures=1)


class Published:
    """In the place of EventBridge and Kinesis."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, int]:  # noqa: N803 - boto3's spelling
        self.entries += Entries
        return {"FailedEntryCount": 0}

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, int]:  # noqa: N803
        self.records += Records
        return {"FailedRecordCount": 0}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    world = Published()
    monkeypatch.setenv("EVENT_BUS", "gpubroker")
    monkeypatch.setenv("PRICE_STREAM", "gpubroker.price-updates")
    monkeypatch.setattr(relay, "_client", lambda service: world)
    return world


def relayed(fact: Fact) -> None:
    relay.publish([json.loads(encode(fact.event, source="offers", target=fact.target))])


def schema_of(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / f"{kind}.v1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def sample_of(kind: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((FOLDER / f"{kind}.v1.json").read_text())
    return sample


def test_each_sample_keeps_its_schema() -> None:
    jsonschema.validate(sample_of("ProviderHealthChanged")["detail"], schema_of("ProviderHealthChanged"))
    jsonschema.validate(sample_of("AvailabilityChanged")["detail"], schema_of("AvailabilityChanged"))
    jsonschema.validate(sample_of("PriceChanged"), schema_of("PriceChanged"))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (WELL, ILL, "unhealthy"),
        (ILL, WELL, "healthy"),
        (WELL, replace(WELL, circuit="open"), "circuit_open"),
        (replace(WELL, circuit="open"), WELL, "circuit_closed"),
        (replace(WELL, circuit="open"), replace(WELL, circuit="half_open"), "circuit_half_open"),
        (PartState(provider="vastai"), ILL, "unhealthy"),
    ],
)
def test_a_change_of_health_is_published_as_its_schema_says(
    published: Published, before: PartState, after: PartState, kind: str
) -> None:
    (fact,) = health_changes(before, after)
    relayed(fact)
    (entry,) = published.entries
    sample = sample_of("ProviderHealthChanged")
    assert (entry["DetailType"], entry["Source"]) == (sample["detail-type"], sample["source"])
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema_of("ProviderHealthChanged"))
    assert detail["event_type"] == kind
    assert set(detail) == set(sample["detail"])


def test_a_change_of_price_is_published_as_its_schema_says(published: Published) -> None:
    was = [an_offer(1, gpu_count=8), an_offer(2, region=None), an_offer(3)]
    now = [repriced(was[0], 1.85), repriced(was[1], 2.5), was[2], an_offer("new")]
    changes = price_changes({offer.offer_id: offer for offer in was}, now, "2026-05-24T10:00:00.000Z")

    relayed(Fact(Event("PricesChanged", "vastai", {"records": changes}), "prices"))
    records = []
    for record in published.records:
        told = list(rows(record["Data"]))
        assert {partition_of(one["offer_id"]) for one in told} == {record["PartitionKey"]}
        records += told
    assert sorted((record["old_price"], record["new_price"]) for record in records) == [(2.0, 1.85), (2.0, 2.5)]
    for record in records:
        jsonschema.validate(record, schema_of("PriceChanged"))
        assert set(record) == set(sample_of("PriceChanged"))
    assert len({record["event_id"] for record in records}) == len(records)


HELD = Integration(
    "int_01KSCPQP650KCY29RB756MGB45", "usr_01KSCN0000000000000000000A", "vastai", "2026-05-24T10:00:00.000Z", version=2
)
INTEGRATION_EVENTS = ("IntegrationSaved", "IntegrationRotated", "IntegrationRemoved")


@pytest.mark.parametrize("kind", INTEGRATION_EVENTS)
def test_what_becomes_of_a_key_is_published_as_its_schema_says(published: Published, kind: str) -> None:  # (275)
    event = use_cases._fact(kind, HELD, datetime(2026, 5, 24, 10, tzinfo=UTC))
    relayed(Fact(event))
    (entry,) = published.entries
    sample = sample_of(kind)
    jsonschema.validate(sample["detail"], schema_of(kind))
    assert (
        (entry["DetailType"], entry["Source"])
        == (kind, sample["source"])
        == (sample["detail-type"], "gpubroker.offers")
    )
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema_of(kind))
    assert set(detail) == set(sample["detail"])
    assert {name: detail[name] for name in ("user_id", "provider", "event_type", "timestamp")} == {
        name: sample["detail"][name] for name in ("user_id", "provider", "event_type", "timestamp")
    }


@pytest.mark.parametrize("kind", INTEGRATION_EVENTS)
def test_no_fact_of_an_integration_has_room_for_a_key(kind: str) -> None:  # R9.4 (229)
    schema = schema_of(kind)
    assert schema["additionalProperties"] is schema["properties"]["data"]["additionalProperties"] is False
    assert set(schema["properties"]["data"]["properties"]) == {"integration_id", "version"}


def test_a_change_of_availability_is_published_as_its_schema_says(published: Published) -> None:
    gone, scarce, same = an_offer(1, region=None), an_offer(2), an_offer(3)
    now = [replace(scarce, availability=Availability.LIMITED), same, an_offer("new")]
    changes = availability_changes({offer.offer_id: offer for offer in (gone, scarce, same)}, now)

    told = {"provider": "vastai", "changes": changes, "timestamp": "2026-05-24T10:00:00.000Z"}
    relayed(Fact(Event("AvailabilityChanged", "vastai", told)))
    (entry,) = published.entries
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema_of("AvailabilityChanged"))
    sample = sample_of("AvailabilityChanged")
    assert (entry["DetailType"], entry["Source"]) == (sample["detail-type"], sample["source"])
    assert set(detail) == set(sample["detail"])
    before = scarce.availability.value
    assert {change["offer_id"]: (change["was"], change["now"]) for change in changes} == {
        gone.offer_id: (before, "unlisted"),
        scarce.offer_id: (before, "limited"),
        an_offer("new").offer_id: ("unlisted", before),
    }
