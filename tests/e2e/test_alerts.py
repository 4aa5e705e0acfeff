"""From an alert made over HTTP, through a change of prices on the bus, to the inbox, the mail and the push message."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from infra.local import aws
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually
from tests.e2e.people import mails_to, somebody

SECONDS = 40.0


@pytest.fixture
def http(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with client(cloud.environment) as anonymous:
        yield anonymous


def update(old: int, new: int, sequence: int, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "provider": "vastai",
        "offer_id": "vastai-of-the-test",
        "old_price": old / 1e6,
        "new_price": new / 1e6,
        "timestamp": now,
        "old_price_micros": old,
        "new_price_micros": new,
        "new_price_micros_per_hour": new,
        "change_percent": 50.0,
        "significant": True,
        "anomaly": False,
        "z_score": None,
        "gpu_type": "A100",
        "gpu_count": 1,
        "region": "us-east",
        "spot": False,
        "event_id": "evt_01KSCN00000000000000000001.0",
        "sequence": sequence,
    } | more


def told(cloud: LocalCloud, event_id: str, *updates: dict[str, Any]) -> None:
    """PricesUpdated on the bus, as the relay of prices puts it there."""
    detail = {"updates": updates, "event_id": event_id, "occurred_at": "", "traceparent": None, "correlation_id": "e2e"}
    events = aws.client("events", cloud.environment["aws_endpoint_url"])
    entry = {
        "EventBusName": cloud.environment["stack"]["outputs"]["EventBusName"],
        "Source": "gpubroker.prices",
        "DetailType": "PricesUpdated",
        "Detail": json.dumps(detail),
    }
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def listening(cloud: LocalCloud, user_id: str) -> Callable[[], list[dict[str, Any]]]:
    """A queue beside the user's device on their topic; what has come to it since."""
    endpoint = cloud.environment["aws_endpoint_url"]
    sns, sqs = aws.client("sns", endpoint), aws.client("sqs", endpoint)

    def topic() -> str | None:
        topics = [one["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for one in page["Topics"]]
        return next((arn for arn in topics if arn.endswith(f"-push-{user_id}")), None)

    arn = eventually(topic, bool, seconds=SECONDS)
    queue = sqs.create_queue(QueueName=f"heard-{time.time_ns()}")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    heard: list[dict[str, Any]] = []

    def messages() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            heard.append(json.loads(json.loads(message["Body"])["Message"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return heard

    return messages


def test_an_alert_is_told_once_by_every_channel(cloud: LocalCloud, http: httpx.Client) -> None:  # (273), (254)
    address, user_id, headers = somebody(cloud, http, "alerted", seconds=SECONDS)
    wanted = {"gpu_type": "A100", "max_price": 0.02, "cooldown_seconds": 0}
    made = http.post("/api/v2/alerts", json=wanted, headers=headers)
    assert made.status_code == 201, made.text
    alert = made.json()
    device = http.post(
        "/api/v2/notifications/devices", json={"endpoint": "https://push.example.com/e2e"}, headers=headers
    )
    assert device.status_code == 201, device.text
    heard = listening(cloud, user_id)

    event_id, change = f"evt_E2E{time.time_ns():023d}", update(50_000, 10_000, 1)
    told(cloud, event_id, change)
    told(cloud, event_id, change)  # the bus delivers at least once

    def inbox() -> dict[str, Any]:
        page: dict[str, Any] = http.get("/api/v2/notifications", headers=headers).json()
        return page

    page = eventually(inbox, lambda now: bool(now["notifications"]), seconds=SECONDS)
    letters = eventually(
        lambda: [one for one in mails_to(cloud, address) if "A100" in one["Subject"]], bool, seconds=SECONDS
    )
    pushed = eventually(heard, bool, seconds=SECONDS)
    (notification,) = page["notifications"]
    assert (notification["kind"], notification["subject"]["alert_id"]) == ("price_alert", alert["alert_id"])
    assert page["unread"] == 1
    assert "$0.01" in letters[0]["BodyText"]
    assert pushed[0]["subject"]["alert_id"] == alert["alert_id"]

    # Another crossing, told last, has come through all of it: what would have come twice is there by then.
    told(cloud, f"evt_E2E{time.time_ns():023d}", update(50_000, 9_000, 3))
    eventually(inbox, lambda now: now["unread"] == 2, seconds=SECONDS)
    eventually(
        lambda: [one for one in mails_to(cloud, address) if "A100" in one["Subject"]],
        lambda all_: len(all_) == 2,
        seconds=SECONDS,
    )
    assert [one["event_id"] for one in eventually(heard, lambda all_: len(all_) == 2, seconds=SECONDS)] == [
        one["event_id"] for one in inbox()["notifications"]
    ][::-1]

    read = http.post(f"/api/v2/notifications/{notification['notification_id']}/read", headers=headers)
    assert read.json()["read"] is True
    assert inbox()["unread"] == 1
    assert http.get(f"/api/v2/alerts/{alert['alert_id']}", headers=headers).json()["crossings"] == 2


def test_a_crowd_of_alerts_is_fired_by_a_distributed_map(cloud: LocalCloud) -> None:
    with client(cloud.environment, "pro") as pro:
        made = []
        for number in range(43):
            wanted = {"gpu_type": "V100", "max_price": 0.005, "channels": ["inbox"], "cooldown_seconds": number}
            made.append(pro.post("/api/v2/alerts", json=wanted).json()["alert_id"])
        try:
            told(cloud, f"evt_E2E{time.time_ns():023d}", update(50_000, 4_000, 1, gpu_type="V100"))

            def fired() -> set[str]:
                page = pro.get("/api/v2/notifications", params={"limit": 99}).json()
                return {one["subject"].get("alert_id") for one in page["notifications"]}

            eventually(fired, lambda seen: seen >= set(made), seconds=60)
            page = pro.get("/api/v2/notifications", params={"limit": 99}).json()["notifications"]
            about = [one["subject"]["alert_id"] for one in page if one["subject"].get("alert_id") in made]
            assert len(about) == len(made)
            assert pro.post("/api/v2/notifications/read-all").json()["marked"] >= len(made)
            assert pro.get("/api/v2/notifications").json()["unread"] == 0
        finally:
            for alert_id in made:
                assert pro.delete(f"/api/v2/alerts/{alert_id}").status_code == 204


def test_a_service_has_a_user_told(cloud: LocalCloud) -> None:  # (306), (307)
    user_id = cloud.environment["credentials"]["enterprise"]["user_id"]
    told_of = {
        "user_id": user_id,
        "alert_config": {"gpu_type": "H100", "max_price": 2},
        "triggered_offer": {"offer_id": "runpod-x", "provider": "runpod", "price": 1.9},
    }
    with client(cloud.environment, "service") as service, client(cloud.environment, "enterprise") as user:
        key = {"idempotency-key": f"k-{time.time_ns()}"}
        first = service.post("/internal/v1/notifications/price-alert", json=told_of, headers=key)
        assert first.status_code == 202, first.text
        again = service.post("/internal/v1/notifications/price-alert", json=told_of, headers=key)
        assert again.json() == first.json()
        status = {"user_id": user_id, "rental_id": "ren_of_the_test", "status_change": {"from": "ready", "to": "ended"}}
        assert service.post("/internal/v1/notifications/rental-status", json=status).status_code == 202

        def titles() -> list[str]:
            return [one["title"] for one in user.get("/api/v2/notifications").json()["notifications"]]

        seen = eventually(titles, lambda all_: len(all_) >= 2, seconds=SECONDS)
        assert sorted(seen) == ["H100 at $1.90 per GPU-hour", "Your rental is ended"]
