"""Every function's role is enough for its work and no more is needed: the main job with the roles enforced."""

from pathlib import Path

from infra.local import aws, journey
from infra.local.cloud import LocalCloud
from infra.local.providers.keys import CUSTOMER, local_keys
from tests.e2e.callers import cheapest, client, ready, rented

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
