"""Usage from the sender to the history, and of a rental from its first second to its last. # 421-432, 454-466"""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from gpubroker.usage.event import moment_text
from tests.e2e.callers import cheapest, client, eventually, rented

EVENTS = "/api/v1/usage/events"


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture(scope="module")
def service(environment):
    with client(environment, "service") as http:
        yield http


@pytest.fixture(scope="module")
def pro(environment):
    with client(environment, "pro") as http:
        yield http


def event(user_id: str, instance_id: str, end_ms: int, **metrics: float) -> dict:
    return {
        "event_type": "resource_usage",
        "version": "1.0",
        "timestamp": moment_text(end_ms),
        "user_id": user_id,
        "org_id": "org_e2e",
        "instance_id": instance_id,
        "metrics": metrics,
        "period": {"start": moment_text(end_ms - 30_000), "end": moment_text(end_ms)},
    }


def usage_does_its_work(environment: dict) -> None:
    """Every function of usage, once: for the test of the roles, too."""
    user_id, instance_id = environment["credentials"]["pro"]["user_id"], f"box-{uuid.uuid4().hex[:8]}"
    now_ms = int(time.time() * 1000) // 30_000 * 30_000
    outputs = environment["stack"]["outputs"]
    with client(environment, "service") as http, client(environment, "admin") as admin:
        assert http.post(EVENTS, json=event(user_id, instance_id, now_ms, gpu_seconds=30)).status_code == 202
        yesterday = event(user_id, f"{instance_id}-old", now_ms - 86_400_000, gpu_seconds=30)
        assert http.post(EVENTS, json=yesterday).status_code == 202
        ways = [f"instances/{instance_id}/current", f"users/{user_id}/current"]
        ways += [
            f"{owner}/history?granularity={step}"
            for owner in (f"instances/{instance_id}", f"users/{user_id}", "organizations/org_e2e")
            for step in ("hour", "day", "month")
        ]
        for way in ways:
            eventually(
                lambda at=way: admin.get(f"/api/v1/usage/{at}").status_code, lambda told: told == 200, seconds=20
            )
        functions = _functions(environment)
        for name in ("MeterRentalsFunctionName", "MakeTotalsFunctionName", "RedriveUsageFunctionName"):
            told = functions.invoke(FunctionName=outputs[name])
            assert "FunctionError" not in told, (name, told["Payload"].read())

        def old() -> float:
            points = admin.get(f"/api/v1/usage/users/{user_id}/history?granularity=day").json()["points"]
            return sum(point["metrics"].get("gpu_seconds", 0) for point in points[:-1])

        eventually(old, lambda seconds: seconds >= 30, seconds=20)
        functions.invoke(FunctionName=outputs["MakeTotalsFunctionName"])
        assert old() >= 30, "made anew, it is the same"


def _functions(environment: dict) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=environment["aws_endpoint_url"],
        region_name=environment["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_events_that_a_service_sends_are_in_current_usage_and_in_history_once(environment, service, pro):
    """421, 425, 429-431, 457: sent twice and out of order, counted once; another tenant sees nothing."""
    user_id, instance_id = environment["credentials"]["pro"]["user_id"], f"box-{uuid.uuid4().hex[:8]}"
    now_ms = int(time.time() * 1000) // 30_000 * 30_000
    sent = [event(user_id, instance_id, now_ms - slot * 30_000, cpu_seconds=30, memory_gb=4.2) for slot in range(3)]
    assert service.post(EVENTS, json={"events": sent[1:]}).json() == {"accepted": 2, "duplicates": 0}
    assert service.post(EVENTS, json=sent[0]).status_code == 202
    assert service.post(EVENTS, json=sent).status_code == 202
    assert pro.post(EVENTS, json=sent[0]).status_code == 403

    current = f"/api/v1/usage/instances/{instance_id}/current"
    seen = eventually(
        lambda: pro.get(current),
        lambda answer: answer.status_code == 200 and answer.json()["last_event_at"] == moment_text(now_ms),
        seconds=20,
    ).json()
    assert seen["reporting"]
    assert (seen["metrics"]["cpu_seconds"], seen["metrics"]["memory_gb"]) == (30, 4.2)
    assert seen["metrics"]["gpu_seconds"] is None, "not measured, which is not zero"
    ours = pro.get(f"/api/v1/usage/users/{user_id}/current").json()
    assert instance_id in [one["instance_id"] for one in ours["instances"]]

    path = f"/api/v1/usage/instances/{instance_id}/history"

    def counted():
        points = pro.get(path, params={"granularity": "day"}).json()["points"]
        return sum(point["events"] for point in points), sum(p["metrics"].get("cpu_seconds", 0) for p in points)

    eventually(counted, lambda told: told == (3, 90), seconds=20)
    again = service.post(EVENTS, json=sent)
    assert again.json() == {"accepted": 3, "duplicates": 3}
    assert counted() == (3, 90)
    with client(environment, "free") as other:
        assert other.get(current).status_code == other.get(path).status_code == 404


def test_what_is_wrong_with_events_is_named_by_index_and_nothing_of_the_call_is_counted(environment, service):
    """458-461: the seed's own example is older than what is taken."""
    now_ms = int(time.time() * 1000) // 30_000 * 30_000
    instance_id = f"box-{uuid.uuid4().hex[:8]}"
    right = event("usr_e2e", instance_id, now_ms, gpu_seconds=30)
    old = right | {"timestamp": "2023-07-15T14:30:00Z"}
    old["period"] = {"start": "2023-07-15T14:29:30Z", "end": "2023-07-15T14:30:00Z"}
    single = service.post(EVENTS, json=old)
    assert single.status_code == 422
    assert [one["field"] for one in single.json()["errors"]] == ["timestamp"]
    overlapping = event("usr_e2e", instance_id, now_ms + 10_000, gpu_seconds=30)
    refused = service.post(EVENTS, json=[right, overlapping])
    assert refused.status_code == 422
    assert [(one["index"], one["field"]) for one in refused.json()["rejected"]] == [(1, "period")]
    assert service.get(f"/api/v1/usage/instances/{instance_id}/current").status_code == 404


def test_a_rental_is_metered_for_exactly_the_seconds_it_is_charged_for(environment, pro):
    """421, 424, 454: beats while it runs, and what the beats could not see when it has ended."""
    outputs = environment["stack"]["outputs"]
    user_id = environment["credentials"]["pro"]["user_id"]
    functions = _functions(environment)
    with rented(pro, offer_id=cheapest(pro, "vastai")) as rental:
        path = f"/api/v2/rentals/{rental['rental_id']}"
        eventually(
            lambda: pro.get(path).json(),
            lambda seen: seen["status"] == "ready" and seen["members"][0]["charged_seconds"] >= 2,
            seconds=60,
        )
    ended = eventually(lambda: pro.get(path).json(), lambda seen: seen["status"] == "ended", seconds=60)
    assert functions.invoke(FunctionName=outputs["MeterRentalsFunctionName"])["StatusCode"] == 200
    (member,) = ended["members"]
    charged = member["charged_seconds"] * member["gpu_count"]
    assert charged > 0
    history = f"/api/v1/usage/instances/{rental['rental_id']}.{member['member_id']}/history"

    def metered():
        answer = pro.get(history, params={"granularity": "day", "metrics": "gpu_seconds"})
        if answer.status_code == 404:
            return 0
        return sum(point["metrics"].get("gpu_seconds", 0) for point in answer.json()["points"])

    eventually(metered, lambda told: told == charged, seconds=90)
    ours = pro.get(f"/api/v1/usage/users/{user_id}/history").json()
    assert sum(point["metrics"].get("gpu_seconds", 0) for point in ours["points"]) >= charged
    assert ours["complete_until"] is not None
    assert datetime.fromisoformat(ours["complete_until"]) <= datetime.now(UTC)
