"""Every function's role is enough for its work and no more is needed: the main job with the roles enforced."""

import time
from pathlib import Path
from typing import Any

import httpx

from infra.local import aws, journey
from infra.local.cloud import LocalCloud
from infra.local.providers.keys import CUSTOMER, local_keys
from tests.e2e.callers import cheapest, client, eventually, ready, rented
from tests.e2e.receivers import Receiver, publish, receiving
from tests.e2e.test_alerts import told, update
from tests.e2e.test_ledger import at_the_books, the_jobs_do_their_work
from tests.e2e.test_usage import usage_does_its_work
from tests.faults.webhooks import change

# As the engine, boto3 and Step Functions write it.
DENIALS = ("AccessDenied", "not authorized to perform")


def logged_denials(endpoint_url: str) -> list[str]:
    """What any function wrote about a call that its role does not allow, even where it went on without."""
    logs = aws.client("logs", endpoint_url)
    found = []
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                found += [
                    f"{group['logGroupName']}: {event['message'][:500]}"
                    for event in events["events"]
                    if any(denial in event["message"] for denial in DENIALS)
                ]
    return found


def _webhooks(environment: dict[str, Any], http: httpx.Client, receiver: Receiver) -> None:
    """Every call of webhooks, a try by the queue, one by the workflow, a dead one and its replays."""
    wanted = {"url": receiver.url, "events": ["price_change"], "ordered": True, "retry_schedule": [1]}
    made = http.post("/api/v2/webhooks", json=wanted)
    path = f"/api/v2/webhooks/{made.json()['webhook_id']}"
    assert http.post(f"{path}/secret/rotate").is_success
    assert http.post(f"{path}/test").is_success
    receiver.wait_for(1)

    def statuses() -> list[str]:
        return [one["status"] for one in http.get(f"{path}/deliveries").json()["deliveries"]]

    receiver.answers = [500, 500, 500]
    publish(environment, change("offer-a", 1))
    eventually(statuses, lambda seen: seen.count("dead") == 1, seconds=60)
    publish(environment, change("offer-a", 2))
    eventually(statuses, lambda seen: seen.count("delivered") == 2, seconds=60)
    (dead,) = [one for one in http.get(f"{path}/deliveries").json()["deliveries"] if one["status"] == "dead"]
    assert http.get(f"{path}/deliveries/{dead['delivery_id']}").is_success
    assert http.post(f"{path}/deliveries/{dead['delivery_id']}/replay").is_success
    eventually(statuses, lambda seen: seen.count("delivered") == 3, seconds=60)
    before = len(receiver.got)
    assert http.post(f"{path}/replay", json={"since": "2026-01-01T00:00:00Z"}).is_success
    receiver.wait_for(before + 3, seconds=60)
    assert http.patch(path, json={"filters": {"gpu": ["A100"]}}).is_success
    assert http.get("/api/v2/webhooks").is_success
    assert http.get(path).is_success
    assert http.delete(path).is_success


def an_alert_is_told(cloud: LocalCloud, http: httpx.Client) -> None:
    """From an alert to the inbox and SNS, by every function on the way, and by both kinds of fan-out."""
    device = {"endpoint": "https://push.example.com/strict"}
    device_id = http.post("/api/v2/notifications/devices", json=device).json()["device_id"]

    def linked() -> bool:
        return bool(http.get("/api/v2/notifications/devices").json()["devices"][0]["linked"])

    eventually(linked, bool, seconds=60)
    made: list[str] = []
    for number, crowd in enumerate((1, 41), 1):
        for _ in range(crowd):
            alert = http.post("/api/v2/alerts", json={"gpu_type": "V100", "max_price": 0.001 * number})
            made.append(alert.json()["alert_id"])
        change = update(50_000 * number, 900 * number, number, gpu_type="V100", offer_id=f"vastai-strict-{number}")
        told(cloud, f"evt_E2E{time.time_ns():023d}", change)
        eventually(
            lambda: {one["subject"].get("alert_id") for one in inbox(http)}, lambda seen: seen >= set(made), seconds=60
        )
    assert http.patch(f"/api/v2/alerts/{made[0]}", json={"paused": True}).is_success
    for alert_id in made:
        assert http.delete(f"/api/v2/alerts/{alert_id}").is_success
    assert http.post(f"/api/v2/notifications/{inbox(http)[0]['notification_id']}/read").is_success
    assert http.post("/api/v2/notifications/read-all").is_success
    assert http.put("/api/v2/notifications/preferences", json={"price_alert": ["push"]}).is_success
    assert http.get("/api/v2/notifications/preferences").is_success
    assert http.delete(f"/api/v2/notifications/devices/{device_id}").is_success
    eventually(lambda: http.delete(f"/api/v2/notifications/devices/{device_id}").status_code, (404).__eq__, seconds=60)


def inbox(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/api/v2/notifications", params={"limit": 99}).json()["notifications"]
    return found


def test_the_main_job_works_with_every_role_enforced(playground: Path):
    cloud = LocalCloud(playground / "strict", engine_settings={"AUTH": "true"})
    try:
        environment = cloud.start()
        assert journey.play(environment, say=lambda line: None)["status"] == "ended"
        with client(environment, "pro") as http:
            offer = http.get("/api/v2/providers", params={"limit": 1}).json()["offers"][0]["offer_id"]
            assert http.post("/api/v2/users/favorites", json={"offer_id": offer}).is_success
            assert http.get("/api/v2/users/favorites").is_success
            assert http.delete(f"/api/v2/users/favorites/{offer}").is_success
            assert http.get("/api/v2/rentals").is_success
            assert http.get("/api/v2/auth/api-keys").is_success
            assert http.post("/api/v2/providers/decide", json={"candidates": [offer]}).is_success
        with client(environment, "enterprise") as http:
            own = "/api/v2/providers/config/integrations"
            key = {"provider": "runpod", "api_key": local_keys(CUSTOMER)["runpod"]}
            assert http.post(own, json=key).status_code == 201
            with rented(http, offer_id=cheapest(http, "runpod")) as rental:
                assert ready(http, rental)["billed_by"] == "provider"
            assert http.get(own).is_success
            assert http.delete(f"{own}/runpod").status_code == 204
            an_alert_is_told(cloud, http)
        with client(environment, "service") as http:
            assert http.get("/internal/v1/providers/stats").is_success
        with client(environment, "admin") as http:
            assert http.get("/api/v2/admin/rentals/switch").is_success
        with client(environment, "enterprise") as http, receiving() as receiver:
            _webhooks(environment, http, receiver)
        with at_the_books(cloud):
            the_jobs_do_their_work(environment["stack"]["outputs"])
        usage_does_its_work(environment)
        with client(environment) as http:
            for path in ("/health", "/metrics", "/api/v2/providers/health", "/.well-known/jwks.json", "/", "/docs"):
                assert http.get(path).is_success, path
        assert logged_denials(environment["aws_endpoint_url"]) == []
        engine_log = cloud.processes.log("engine").read_text()
        assert not [line for line in engine_log.splitlines() if any(denial in line for denial in DENIALS)]
    finally:
        cloud.stop()
