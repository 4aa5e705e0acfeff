"""The facts of notifications, and the facts that users are told of. # (306), (307), (323)"""

import json
from pathlib import Path

import jsonschema
import pytest

from gpubroker.delivery.notifications import facts
from gpubroker.delivery.notifications.notice import Kind
from gpubroker.delivery.notifications.wording import RENTAL_EVENTS, notice_of
from gpubroker.kernel.events import Event
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts

EVENTS = Path(__file__).parents[3] / "events"
FACTS = Facts("delivery")
FOLDER = FACTS.folder
schema_of, published = FACTS.schema_of, FACTS.published
USER = "usr_01KSCN0000000000000000000A"
ALERT = {
    "alert_config": {"gpu_type": "A100", "max_price": 1.5},
    "triggered_offer": {"offer_id": "vastai-x", "provider": "vastai", "price": 1.4},
}
RENTAL = {"rental_id": "ren_01KSCPQP650KCY29RB756MGB45", "status_change": {"from": "provisioning", "to": "ready"}}
MADE: list[Event] = [
    facts.notification_requested(USER, Kind.PRICE_ALERT, ALERT, requested_by="svc_kpi"),
    facts.notification_requested(USER, Kind.RENTAL_STATUS, RENTAL, requested_by="svc_kpi"),
    facts.device_changed(USER, "dev_lmbq4aqo247xxzsqwuz5"),
]
TYPES = ("NotificationRequested", "PushDeviceChanged")


@pytest.mark.parametrize("kind", TYPES)
def test_each_sample_is_what_its_schema_says(kind: str) -> None:
    sample = json.loads((FOLDER / f"{kind}.v1.json").read_text())
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.delivery")
    jsonschema.validate(sample["detail"], schema_of(kind))


@pytest.mark.parametrize("event", MADE, ids=lambda event: event.type)
def test_what_the_code_publishes_is_what_the_schema_says(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published(event, monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.delivery", event.type)
    jsonschema.validate(json.loads(entry["Detail"]), schema_of(event.type))


def test_no_fact_has_room_for_an_address_or_a_secret() -> None:
    for kind in TYPES:
        assert not {"email", "endpoint", "token", "secret"} & set(schema_of(kind)["properties"])


def _samples() -> list[Path]:
    told = [EVENTS / "prices" / "PriceAlertTriggered.v1.json", FOLDER / "NotificationRequested.v1.json"]
    return told + [EVENTS / "rentals" / f"{kind}.v1.json" for kind in RENTAL_EVENTS]


@pytest.mark.parametrize("sample", _samples(), ids=lambda path: path.name)
def test_every_fact_that_users_are_told_of_is_put_into_words(sample: Path) -> None:
    event = json.loads(sample.read_text())
    notice = notice_of(event)
    assert notice.event_id == event["detail"]["event_id"]
    assert notice.user_id == event["detail"]["user_id"]
    assert notice.title
    assert notice.text.endswith(".")
    assert "{" not in notice.text
    assert "None" not in notice.text


def test_the_rules_name_the_facts_that_have_words_and_no_other() -> None:
    resources = load(ROOT / "infra" / "delivery.yaml")["Resources"]

    def pattern(name: str) -> tuple[list[str], list[str]]:
        wanted = resources[name]["Properties"]["EventPattern"]
        return wanted["source"], sorted(wanted["detail-type"])

    assert pattern("AlertsToTell") == (["gpubroker.prices"], ["PriceAlertTriggered"])
    assert pattern("RentalsToTell") == (["gpubroker.rentals"], sorted(RENTAL_EVENTS))
    assert pattern("RequestsToTell") == (["gpubroker.delivery"], ["NotificationRequested"])
