"""ThresholdCrossed has a schema and a sample, and the code tells what they say; who acts on it hears of it. # 473"""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from gpubroker.delivery.notifications.notice import Channel
from gpubroker.delivery.notifications.wording import notice_of
from gpubroker.delivery.webhooks import messages
from gpubroker.kernel.events import Event
from gpubroker.usage.thresholds import facts
from gpubroker.usage.thresholds.resources import Period, Resource
from gpubroker.usage.thresholds.rules import Newest, added_up, looked
from gpubroker.usage.thresholds.threshold import Callback, Kind, Span, Threshold
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts
from tests.unit.usage.thresholds.making import NOW, a_reading, a_threshold

FACTS = Facts("usage")
SCHEMA, SAMPLE = FACTS.schema_of("ThresholdCrossed"), FACTS.sample_of("ThresholdCrossed")


def of_a_level(**changes: Any) -> Event:
    threshold = a_threshold(**changes)
    (crossing,) = looked(Newest(), a_reading(60, storage_gb=512.3), [threshold])[1]
    return facts.crossed(crossing, now=NOW + timedelta(seconds=62))


def of_a_sum(**changes: Any) -> Event:
    terms = {
        "resource": Resource.GPU,
        "kind": Kind.PERCENTAGE,
        "units": "%",
        "limit": Decimal(10),
        "limit_units": "hours",
    }
    threshold: Threshold = replace(a_threshold(50), **terms, period=Period.MONTH, every=Decimal(25), **changes)
    span = Span.of(Period.MONTH, NOW)
    crossing = added_up(threshold, "user_123456", span, Decimal(30_000), None, at=NOW)
    assert crossing is not None
    return facts.crossed(crossing, now=NOW)


def told(event: Event, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    entry = FACTS.published(event, monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.usage", "ThresholdCrossed")
    detail: dict[str, Any] = json.loads(entry["Detail"])
    return detail


def as_event(event: Event, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"source": "gpubroker.usage", "detail-type": "ThresholdCrossed", "detail": told(event, monkeypatch)}


def test_the_sample_is_what_its_schema_says_and_what_the_code_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (SAMPLE["detail-type"], SAMPLE["source"]) == ("ThresholdCrossed", "gpubroker.usage")
    jsonschema.validate(SAMPLE["detail"], SCHEMA)
    detail = told(of_a_level(), monkeypatch)
    jsonschema.validate(detail, SCHEMA)
    by_the_relay = ("traceparent", "correlation_id")
    assert {key: value for key, value in detail.items() if key not in by_the_relay} == {
        key: value for key, value in SAMPLE["detail"].items() if key not in by_the_relay
    }


@pytest.mark.parametrize("changes", [{}, {"callback": Callback("whk_1", "https://example.com/")}, {"channels": ()}])
def test_sums_and_other_thresholds_are_told_by_the_same_schema(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = told(of_a_sum(**changes), monkeypatch)
    jsonschema.validate(detail, SCHEMA)
    assert (detail["measured"], detail["crossed"], detail["crossings"]) == (83.333333, [50, 75], 2)


def test_the_same_crossing_is_the_same_fact_and_another_is_another() -> None:
    assert of_a_level().id == of_a_level().id
    assert len({of_a_level().id, of_a_level(revision=2).id, of_a_sum().id, of_a_level(value=510).id}) == 4


# ---------------------------------------------------------------- who hears of it


def test_a_user_is_told_in_words_by_the_channels_of_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    notice = notice_of(as_event(of_a_level(), monkeypatch))
    assert notice.title == "Storage over 500 GB"
    assert notice.text == (
        "Storage of instance instance_abcdef was 512.3 GB at 2026-07-15T14:31:00.000Z: over the threshold of 500 GB."
    )
    assert (notice.user_id, notice.channels) == ("user_123456", {Channel.INBOX, Channel.EMAIL})
    notice = notice_of(as_event(of_a_sum(channels=("push",)), monkeypatch))
    assert notice.title == "GPU use over 75 % of 10 hours"
    assert notice.text.startswith("GPU use was 83.333333 % of 10 hours in the month from 2026-07-01T00:00:00.000Z at")
    assert notice.channels == {Channel.INBOX, Channel.PUSH}


def test_what_is_only_to_be_logged_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    event = as_event(of_a_level(action="log", channels=()), monkeypatch)
    assert notice_of(event).channels == frozenset()
    assert messages.read(event) is None


@pytest.mark.parametrize(
    ("changes", "tenant"),
    [
        ({}, "user_123456"),
        ({"callback": Callback("whk_1", "https://example.com/")}, "thr_01KSCN00000000000000000001"),
        ({"channels": ("email",)}, None),
    ],
)
def test_a_callback_goes_to_the_thresholds_own_address_or_to_the_users_webhooks(
    changes: dict[str, Any], tenant: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = messages.read(as_event(of_a_level(**changes), monkeypatch))
    assert (fact.tenant if fact else None) == tenant
    if fact is not None:
        body = json.loads(messages.body_of(fact, messages.parts_of(fact, ordered=False)[0], list(fact.items)))
        assert (body["type"], body["data"]["measured"]) == ("usage_threshold", 512.3)
        assert fact.items[0].subject == "threshold:thr_01KSCN00000000000000000001"


def test_delivery_hears_of_it_by_rules_of_its_own() -> None:
    found = load(ROOT / "infra" / "delivery.yaml")["Resources"]
    notices = found["ThresholdsToTell"]["Properties"]["EventPattern"]
    assert notices == {"source": ["gpubroker.usage"], "detail-type": ["ThresholdCrossed"]}
    webhooks = found["FactsForWebhooks"]["Properties"]["EventPattern"]
    assert "gpubroker.usage" in webhooks["source"]
    assert "ThresholdCrossed" in webhooks["detail-type"]
