"""The facts that webhooks publish: each has a sample and a schema, and the code makes what they say. # 246, 329, 332"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from gpubroker.delivery.webhooks import facts, webhook
from gpubroker.delivery.webhooks.delivery import Attempt, Delivery, Outcome
from gpubroker.delivery.webhooks.steps import Ask
from gpubroker.delivery.webhooks.webhook import Secret, Webhook
from gpubroker.kernel.events import Event
from infra.rules.templates import ROOT, load
from tests.contract.events import Facts

FACTS = Facts("delivery")
FOLDER = FACTS.folder
schema_of, sample_of, published = FACTS.schema_of, FACTS.sample_of, FACTS.published
NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)
HOOK = Webhook(
    webhook_id="whk_01KSCN0000000000000000000W",
    tenant="usr_01KSCN0000000000000000000A",
    url="https://example.com/hooks/gpubroker",
    events=("price_*",),
    created_at=NOW,
    secrets=(Secret("sealed"),),
)
DELIVERY = Delivery(
    tenant=HOOK.tenant,
    webhook_id=HOOK.webhook_id,
    delivery_id="msg_01KSCPQP650KCY29RB756MGB45",
    event_id="evt_01KSCN00000000000000000001",
    type="price_change",
    subject="price_change",
    created_at=NOW,
    tries=9,
    attempts=(Attempt(NOW, Outcome(12, status=500)),),
)
TOLD: dict[str, Event] = {
    event.type: event
    for event in (
        facts.created(HOOK, NOW),
        facts.deleted(HOOK, NOW),
        facts.disabled(webhook.disabled(HOOK, "failing", NOW), NOW),
        facts.secret_rotated(webhook.rotated(HOOK, "sealed anew", NOW), NOW),
        facts.requested(replace(DELIVERY, tries=0), "test", NOW),
        facts.replay_requested(HOOK, NOW - timedelta(hours=2), undelivered_only=True, at=NOW),
        facts.delivery_failed(DELIVERY, NOW),
    )
}


def test_every_fact_of_webhooks_has_its_sample_and_its_schema_and_no_other_has() -> None:
    assert sorted(TOLD) == sorted(facts.EVENT_TYPES)
    for pattern in ("Webhook*.v1.json", "Webhook*.v1.schema.json"):
        assert sorted(path.name.partition(".")[0] for path in FOLDER.glob(pattern)) == sorted(facts.EVENT_TYPES)


@pytest.mark.parametrize("kind", facts.EVENT_TYPES)
def test_the_sample_is_what_is_told_and_both_are_what_the_schema_says(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, entry = sample_of(kind), published(TOLD[kind], monkeypatch)
    assert (
        (entry["Source"], entry["DetailType"])
        == (sample["source"], sample["detail-type"])
        == (
            "gpubroker.delivery",
            kind,
        )
    )
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, schema_of(kind))
    jsonschema.validate(sample["detail"], schema_of(kind))
    moving = ("event_id", "traceparent", "correlation_id")
    assert {key: value for key, value in detail.items() if key not in moving} == {
        key: value for key, value in sample["detail"].items() if key not in moving
    }


def test_no_fact_has_room_for_a_secret() -> None:
    for kind in facts.EVENT_TYPES:
        text = (FOLDER / f"{kind}.v1.schema.json").read_text()
        assert "whsec" not in text
        assert "sealed" not in json.dumps(TOLD[kind].data)


@pytest.mark.parametrize(("kind", "dead"), [("WebhookRequested", False), ("WebhookDeliveryFailed", True)])
def test_the_detail_is_a_message_that_the_queue_of_tries_takes(kind: str, dead: bool) -> None:
    """The rules give the queue the detail alone: a request, or a redrive, needs no function of its own."""
    ask = Ask.read(sample_of(kind)["detail"])
    assert (ask.tenant, ask.webhook_id, ask.delivery_id) == (DELIVERY.tenant, DELIVERY.webhook_id, DELIVERY.delivery_id)
    assert (ask.run, ask.dead) == (0, dead)
    rules = load(ROOT / "infra" / "delivery.yaml")["Resources"]
    (rule,) = [
        rules[name]["Properties"]
        for name in ("WebhookRequests", "DeadDeliveries")
        if rules[name]["Properties"]["EventPattern"]["detail-type"] == [kind]
    ]
    (target,) = rule["Targets"]
    assert target["InputPath"] == "$.detail"
    assert Ask.read(json.loads(ask.text())) == replace(ask, dead=False)
