"""Webhooks through the whole house: a receiver on this machine gets what happens, signed, repeated, replayed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gpubroker.kernel.time import iso
from infra.local import aws
from infra.local.cloud import ROOT
from tests.e2e.callers import client, eventually
from tests.e2e.receivers import Receiver, publish, receiving
from tests.faults.webhooks import change


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def http(environment) -> Iterator[httpx.Client]:
    with client(environment, "enterprise") as ready:
        yield ready


@pytest.fixture
def hook(http, receiver):
    """A webhook of the receiver: path and secret. It goes again."""
    made: list[str] = []

    def make(**wanted: Any) -> tuple[str, str]:
        answer = http.post("/api/v2/webhooks", json={"url": receiver.url, "events": ["price_change"], **wanted})
        assert answer.status_code == 201, answer.text
        made.append(f"/api/v2/webhooks/{answer.json()['webhook_id']}")
        return made[-1], answer.json()["secret"]

    yield make
    for path in made:
        assert http.delete(path).status_code == 204


def deliveries(http: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = http.get(f"{path}/deliveries")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


def delivered(http: httpx.Client, path: str, number: int = 1, *, seconds: float = 30) -> list[dict[str, Any]]:
    def done(seen: list[dict[str, Any]]) -> bool:
        return [one["status"] for one in seen] == ["delivered"] * number

    return eventually(lambda: deliveries(http, path), done, seconds=seconds)


def redriven(environment: dict[str, Any]) -> str:
    """What the command says that takes dead deliveries up again."""
    variables = {"PATH": os.environ["PATH"], **aws.variables(environment["aws_endpoint_url"])}
    done = subprocess.run(
        [sys.executable, "-m", "infra.redrive"], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_test_message_is_one_that_the_specifications_own_library_verifies(http, hook, receiver):  # (276, 348)
    path, secret = hook()
    sent = http.post(f"{path}/test")
    assert sent.status_code == 201, sent.text
    ((headers, body),) = receiver.wait_for(1)
    assert headers["webhook-id"] == sent.json()["delivery_id"]
    assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    (seen,) = delivered(http, path)
    (attempt,) = seen["attempts"]
    assert (attempt["result"], attempt["answer"]["status"]) == ("delivered", 200)
    whole = http.get(f"{path}/deliveries/{seen['delivery_id']}").json()
    assert whole["request"]["body"] == json.loads(body)
    assert "webhook-signature" not in whole["request"]["headers"]


def test_a_price_change_is_delivered_to_those_whom_it_concerns(environment, http, hook, receiver):  # (276, 281, 345)
    path, secret = hook(filters={"gpu": ["H100"]})
    publish(environment, change("offer-a", 1), change("offer-b", 2, gpu_type="A100"))
    ((headers, body),) = receiver.wait_for(1)
    told = Webhook(secret).verify(body, headers)
    assert told["type"] == "price_change"
    assert [one["offer_id"] for one in told["data"]["changes"]] == ["offer-a"]
    delivered(http, path)


def test_while_a_secret_is_rotated_both_verify(http, hook, receiver):
    path, old = hook()
    rotated = http.post(f"{path}/secret/rotate").json()
    http.post(f"{path}/test").raise_for_status()
    ((headers, body),) = receiver.wait_for(1)
    assert Webhook(old).verify(body, headers) == Webhook(rotated["secret"]).verify(body, headers)
    assert rotated["old_secret_until"]


def test_a_failing_endpoint_is_tried_again_by_the_workflow_under_the_same_id(environment, http, hook, receiver):
    path, _ = hook(retry_schedule=[1, 1, 1])
    receiver.answers = [500, 503]
    publish(environment, change("offer-a", 1))
    got = receiver.wait_for(3, seconds=60)
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    (seen,) = delivered(http, path)
    assert [attempt["answer"]["status"] for attempt in seen["attempts"]] == [500, 503, 200]


def test_what_came_to_nothing_lies_in_the_dead_letter_queue_and_is_replayed(environment, http, hook, receiver):  # (329)
    path, _ = hook(retry_schedule=[])
    receiver.answers = [500]
    publish(environment, change("offer-a", 1))
    (dead,) = eventually(
        lambda: deliveries(http, path), lambda seen: [o["status"] for o in seen] == ["dead"], seconds=30
    )
    eventually(lambda: redriven(environment), lambda text: text.startswith("1 "), seconds=30)
    delivered(http, path)
    assert http.post(f"{path}/deliveries/{dead['delivery_id']}/replay").status_code == 200
    receiver.wait_for(3)
    delivered(http, path)
    since = {"since": iso(datetime(2026, 1, 1, tzinfo=UTC))}
    assert http.post(f"{path}/replay", json=since).status_code == 202
    got = receiver.wait_for(4)
    assert {headers["webhook-id"] for headers, _ in got} == {dead["delivery_id"]}
    delivered(http, path)


def test_410_stops_a_webhook_until_it_is_enabled_again(environment, http, hook, receiver):
    path, _ = hook()
    receiver.answers = [410]
    publish(environment, change("offer-a", 1))
    stopped = eventually(lambda: http.get(path).json(), lambda seen: not seen["enabled"], seconds=30)
    assert stopped["disabled_reason"] == "gone"
    assert http.post(f"{path}/test").status_code == 409
    assert http.patch(path, json={"enabled": True}).json()["enabled"]
    http.post(f"{path}/test").raise_for_status()
    receiver.wait_for(2)


def test_an_order_that_was_asked_for_holds_while_the_first_one_fails(environment, http, hook, receiver):
    path, _ = hook(ordered=True, retry_schedule=[1, 1])
    receiver.answers = [500]
    for number in (1, 2, 3):
        publish(environment, change("offer-a", number))
    delivered(http, path, 3, seconds=60)
    told = [json.loads(body)["data"]["changes"][0]["sequence"] for _, body in receiver.got]
    assert told == [1, 1, 2, 3]


def test_webhooks_are_for_the_plan_enterprise_and_for_addresses_outside(environment, http):  # (348)
    wanted = {"url": "https://example.com/", "events": ["price_change"]}
    for role in ("free", "pro"):
        with client(environment, role) as other:
            refused = other.post("/api/v2/webhooks", json=wanted)
            assert (refused.status_code, refused.json()["type"]) == (403, "/docs/problems#forbidden")
    for url in (
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "ftp://example.com/",
        "https://u:p@example.com/",
    ):
        answer = http.post("/api/v2/webhooks", json={**wanted, "url": url})
        assert answer.status_code == 422, url
        assert [error["field"] for error in answer.json()["errors"]] == ["url"]
