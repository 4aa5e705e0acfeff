"""Every function's role is enough for its work and no more is needed: the main job with the roles enforced."""

import time
from pathlib import Path
from typing import Any

import httpx

from infra.local import aws, journey
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually
from tests.e2e.test_alerts import told, update

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
            an_alert_is_told(cloud, http)
        with client(environment, "service") as http:
            assert http.get("/internal/v1/providers/stats").is_success
        with client(environment, "admin") as http:
            assert http.get("/api/v2/admin/rentals/switch").is_success
        with client(environment) as http:
            for path in ("/health", "/metrics", "/api/v2/providers/health", "/.well-known/jwks.json", "/", "/docs"):
                assert http.get(path).is_success, path
        assert logged_denials(environment["aws_endpoint_url"]) == []
        engine_log = cloud.processes.log("engine").read_text()
        assert not [line for line in engine_log.splitlines() if any(denial in line for denial in DENIALS)]
    finally:
        cloud.stop()
