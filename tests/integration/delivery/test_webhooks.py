"""What owners of webhooks may do, on moto's DynamoDB: limits, other tenants, repeated requests, long lists, secrets."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries, DeliveryNotFound, SlotTaken
from gpubroker.delivery.webhooks.requests import ReplayRequest, WebhookChange, WebhookRequest
from gpubroker.delivery.webhooks.use_cases import DeliveryUnderWay, Desk, SecretDesk, WebhookStopped
from gpubroker.delivery.webhooks.vault import Vault
from gpubroker.delivery.webhooks.webhook_store import (
    CHANGES,
    TooManyChanges,
    TooManyWebhooks,
    WebhookNotFound,
    Webhooks,
)
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.resilience.outbound import Guard
from gpubroker.storage.idempotency import KeyReused
from infra.redrive import redrive

URL = "https://hooks.example/in"
CALLER = Caller(Role.USER, "usr_1", "usr_1", Plan.ENTERPRISE, frozenset({"webhooks:*"}))
OTHER = Caller(Role.USER, "usr_2", "usr_2", Plan.ENTERPRISE, frozenset({"webhooks:*"}))


class House:
    """Both desks over one table, with a clock that stands still."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.now = datetime(2026, 5, 24, 10, tzinfo=UTC)
        self.addresses = ["93.184.216.34"]
        self.deliveries = Deliveries()
        self.vault = Vault(lambda: "m" * 48)
        self.desk = Desk(webhooks=Webhooks(), deliveries=self.deliveries, clock=lambda: self.now)
        self.secrets = SecretDesk(
            webhooks=Webhooks(),
            vault=lambda: self.vault,
            guard=Guard(resolve=lambda host, port: self.addresses),
            clock=lambda: self.now,
            randomness=lambda size: b"s" * size,
        )

    def hook(self, caller: Caller = CALLER, key: Idempotency | None = None, **wanted: Any) -> Any:
        request = WebhookRequest.model_validate({"url": URL, "events": ["*"], **wanted})
        return self.secrets.create(caller, request, key)

    def deliver(self, webhook_id: str, number: int, status: Status = Status.DELIVERED) -> Delivery:
        delivery = Delivery(
            CALLER.tenant, webhook_id, f"msg_{number:026d}", "evt_1", "price_change", "price_change", self.now
        )
        delivery = rules.made(delivery, held=False, now=self.now)
        self.deliveries.add(delivery, '{"type": "price_change"}')
        return delivery if status.open else self.deliveries.save(delivery, rules.ended(delivery, status))

    def facts(self) -> list[str]:
        items = self.table.scan()["Items"]
        return sorted(json.loads(item["event"])["type"] for item in items if item["pk"].startswith("OUTBOX#"))


@pytest.fixture
def house(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("DELIVERY_TABLE", "delivery")
    return House(make_table("delivery"))


def key(body: bytes = b"same") -> Idempotency:
    return Idempotency.of("k", tenant=CALLER.tenant, route="POST /api/v2/webhooks", body=body)


def test_a_secret_is_shown_once_and_stands_nowhere_in_the_open(house: House) -> None:
    made = house.hook()
    assert made.secret.startswith("whsec_")
    assert "secret" not in house.desk.one(CALLER, made.webhook_id).model_dump()
    stored = json.dumps(house.table.scan()["Items"], default=str)
    assert "whsec_" not in stored
    assert made.secret.removeprefix("whsec_") not in stored
    assert made.secret not in repr(house.vault)


def test_the_same_request_again_makes_no_second_webhook_and_shows_no_secret(house: House) -> None:
    first, again = house.hook(key=key()), house.hook(key=key())
    assert again.webhook_id == first.webhook_id
    assert again.secret is None
    assert len(house.desk.page(CALLER).webhooks) == 1
    assert house.facts() == ["WebhookCreated"]
    with pytest.raises(KeyReused):
        house.hook(key=key(b"another body"))


def test_a_repeated_request_has_its_answer_though_its_address_leads_nowhere_today(house: House) -> None:
    first = house.hook(key=key())
    house.addresses = ["127.0.0.1"]
    assert house.hook(key=key()).webhook_id == first.webhook_id
    with pytest.raises(Invalid):
        house.hook()


def test_twenty_are_the_most_and_one_that_is_deleted_makes_room(house: House) -> None:
    hooks = [house.hook().webhook_id for _ in range(20)]
    with pytest.raises(TooManyWebhooks):
        house.hook()
    house.hook(OTHER)
    house.desk.delete(CALLER, hooks[3])
    house.hook()
    assert len(house.desk.page(CALLER).webhooks) == 20


def test_what_belongs_to_another_tenant_looks_like_nothing(house: House) -> None:
    webhook_id = house.hook().webhook_id
    delivery_id = house.deliver(webhook_id, 1).delivery_id
    since = ReplayRequest(since="2026-05-24T09:00:00Z")
    for ask in (
        lambda: house.desk.one(OTHER, webhook_id),
        lambda: house.secrets.change(OTHER, webhook_id, WebhookChange(enabled=False)),
        lambda: house.secrets.rotate(OTHER, webhook_id, None),
        lambda: house.desk.delete(OTHER, webhook_id),
        lambda: house.desk.test(OTHER, webhook_id, None),
        lambda: house.desk.deliveries(OTHER, webhook_id, 20, None),
        lambda: house.desk.delivery(OTHER, webhook_id, delivery_id),
        lambda: house.desk.replay(OTHER, webhook_id, delivery_id, None),
        lambda: house.desk.replay_since(OTHER, webhook_id, since, None),
    ):
        with pytest.raises(WebhookNotFound):
            ask()
    assert house.desk.page(OTHER).webhooks == []
    other = house.hook(OTHER).webhook_id
    with pytest.raises(DeliveryNotFound):
        house.desk.delivery(OTHER, other, delivery_id)


def test_every_delivery_of_a_long_list_is_on_one_page(house: House) -> None:
    webhook_id = house.hook().webhook_id
    assert house.desk.deliveries(CALLER, webhook_id, 20, None)[1] is None
    expected = [house.deliver(webhook_id, number).delivery_id for number in range(65)]
    seen, position = [], None
    while True:
        page, position = house.desk.deliveries(CALLER, webhook_id, 20, position)
        seen += [one.delivery_id for one in page.deliveries]
        if position is None:
            break
    assert seen == expected[::-1]


def test_an_address_that_leads_inside_is_refused_when_it_is_given_and_when_it_is_changed(house: House) -> None:
    webhook_id = house.hook().webhook_id
    house.addresses = ["93.184.216.34", "10.0.0.1"]
    for ask in (lambda: house.hook(), lambda: house.secrets.change(CALLER, webhook_id, WebhookChange(url=URL))):
        with pytest.raises(Invalid) as refused:
            ask()
        assert [error.field for error in refused.value.fields] == ["url"]


def test_changes_are_counted_by_the_minute(house: House) -> None:
    webhook_id = house.hook().webhook_id
    for _ in range(CHANGES.tries - 1):
        house.secrets.change(CALLER, webhook_id, WebhookChange(enabled=True))
    with pytest.raises(TooManyChanges) as refused:
        house.secrets.change(CALLER, webhook_id, WebhookChange(enabled=True))
    assert refused.value.retry_after == 60
    house.hook(OTHER)
    house.now += timedelta(seconds=60)
    house.secrets.change(CALLER, webhook_id, WebhookChange(enabled=True))


def test_a_rotated_secret_signs_beside_the_old_one(house: House) -> None:
    webhook_id = house.hook().webhook_id
    same = Idempotency.of("r", tenant=CALLER.tenant, route="rotate", body=b"")
    rotated, again = (house.secrets.rotate(CALLER, webhook_id, same) for _ in range(2))
    assert rotated.old_secret_until == "2026-05-25T10:00:00.000Z"
    assert again == rotated.model_copy(update={"secret": None})
    assert house.desk.one(CALLER, webhook_id).secrets_in_force == 2
    house.now += timedelta(hours=24)
    assert house.desk.one(CALLER, webhook_id).secrets_in_force == 1
    assert house.facts() == ["WebhookCreated", "WebhookSecretRotated"]


def test_a_change_moves_the_places_where_it_is_looked_for(house: House) -> None:
    webhook_id = house.hook(events=["price_change"], filters={"gpu": ["H100"]}).webhook_id

    def places() -> set[str]:
        items = house.table.scan()["Items"]
        return {item["pk"].removeprefix("SUBSCRIBED#") for item in items if item["pk"].startswith("SUBSCRIBED#")}

    assert places() == {"price_change#gpu=h100"}
    wanted = {"events": ["price_*"], "filters": {"provider": ["vastai", "RunPod"]}}
    house.secrets.change(CALLER, webhook_id, WebhookChange.model_validate(wanted))
    assert places() == {
        f"{kind}#provider={name}" for kind in ("price_change", "price_anomaly") for name in ("vastai", "runpod")
    }
    house.desk.delete(CALLER, webhook_id)
    assert places() == set()


def test_a_paused_webhook_is_neither_tested_nor_replayed(house: House) -> None:
    webhook_id = house.hook(enabled=False).webhook_id
    house.deliver(webhook_id, 1)
    with pytest.raises(WebhookStopped):
        house.desk.test(CALLER, webhook_id, None)
    with pytest.raises(WebhookStopped):
        house.desk.replay(CALLER, webhook_id, f"msg_{1:026d}", None)


def test_a_replay_is_done_once_for_its_key_and_not_while_the_delivery_is_under_way(house: House) -> None:
    webhook_id = house.hook().webhook_id
    delivery_id = house.deliver(webhook_id, 1).delivery_id
    same = Idempotency.of("p", tenant=CALLER.tenant, route="replay", body=b"")
    first, again = (house.desk.replay(CALLER, webhook_id, delivery_id, same) for _ in range(2))
    assert first == again
    assert (first.delivery_id, first.status) == (delivery_id, Status.PENDING)
    with pytest.raises(DeliveryUnderWay):
        house.desk.replay(CALLER, webhook_id, delivery_id, None)
    assert house.facts() == ["WebhookCreated", "WebhookRequested"]


def test_a_replay_of_what_is_to_come_is_refused(house: House) -> None:
    webhook_id = house.hook().webhook_id
    with pytest.raises(Invalid):
        house.desk.replay_since(CALLER, webhook_id, ReplayRequest(since="2027-01-01T00:00:00Z"), None)
    view = house.desk.replay_since(CALLER, webhook_id, ReplayRequest(since="2020-01-01T00:00:00Z"), None)
    assert view.since == "2026-04-24T10:00:00.000Z"  # as far as deliveries are kept


def test_no_more_tries_than_slots_are_under_way_to_one_endpoint(house: House) -> None:
    webhook_id = house.hook().webhook_id
    pending = [house.deliver(webhook_id, number, Status.PENDING) for number in range(5)]
    for slot, delivery in enumerate(pending[:4]):
        house.deliveries.claim(delivery, rules.claim(delivery, house.now), slot, house.now)
    for slot in range(4):
        with pytest.raises(SlotTaken):
            house.deliveries.claim(pending[4], rules.claim(pending[4], house.now), slot, house.now)
    later = house.now + rules.CLAIM + timedelta(seconds=1)
    house.deliveries.claim(pending[4], rules.claim(pending[4], later), 0, later)


def test_a_delivery_that_was_written_is_not_written_again(house: House) -> None:
    webhook_id = house.hook().webhook_id
    delivery = house.deliver(webhook_id, 1)
    fresh = replace(delivery, status=Status.PENDING, version=1)
    assert not house.deliveries.add(fresh, "{}")
    ordered = replace(fresh, delivery_id=f"msg_{2:026d}", order="1", subject="offer:a")
    assert house.deliveries.add(ordered, "{}")
    assert not house.deliveries.add(ordered, "{}")
    assert house.deliveries.of(CALLER.tenant, webhook_id, delivery.delivery_id).delivery.status is Status.DELIVERED


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"events": []}, "events"),
        ({"events": ["price_changed"]}, "events"),
        ({"events": ["webhook.test"]}, "events"),
        ({"events": ["price_change", "price_change"]}, "events"),
        ({"events": ["[a-z]*"]}, "events"),
        ({"url": ""}, "url"),
        ({"url": "x" * 2049}, "url"),
        ({"retry_schedule": [0]}, "retry_schedule"),
        ({"retry_schedule": [86401]}, "retry_schedule"),
        ({"retry_schedule": [1] * 13}, "retry_schedule"),
        ({"retry_schedule": [86400] * 8}, "retry_schedule"),
        ({"filters": {"gpu": ["x"] * 11}}, "filters"),
        ({"filters": {"cpu": ["x"]}}, "filters"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_is_wrong_is_named(wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookRequest.model_validate({"url": URL, "events": ["*"], **wanted})
    assert refused.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize("wanted", [{}, {"url": None}, {"events": None}, {"enabled": None}, {"ordered": True}])
def test_a_change_says_what_it_changes_and_order_is_settled_at_the_beginning(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebhookChange.model_validate(wanted)


@pytest.mark.parametrize("since", ["yesterday", "2026-05-24", "2026-05-24T10:00:00", "9999-99-99T00:00:00Z"])
def test_a_replay_begins_at_a_moment(since: str) -> None:
    with pytest.raises(ValidationError):
        ReplayRequest(since=since)


def test_a_redrive_moves_every_dead_letter_to_the_queue_of_tries(aws: None) -> None:
    sqs = boto3.client("sqs")
    dead, queue = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dead", "tries"))
    for number in range(25):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    assert redrive(sqs, dead=dead, queue=queue, limit=5) == 5
    assert redrive(sqs, dead=dead, queue=queue, limit=1000) == 20
    found: set[str] = set()
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found |= {message["Body"] for message in messages}
    assert found == {str(number) for number in range(25)}
    assert redrive(sqs, dead=dead, queue=queue, limit=1000) == 0
