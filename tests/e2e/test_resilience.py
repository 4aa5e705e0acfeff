"""What the house does when a part of it fails: the API serves on, and says what it does not know."""

import signal

import httpx
import pytest

from gpubroker.offers.slugs import SLUGS
from infra.local import redis_server
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually, look, ready, rented

STALE_AFTER_S = 60


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture
def pro(environment):
    with client(environment, "pro") as http:
        yield http


def listed(http: httpx.Client) -> dict:
    answer = http.get("/api/v2/providers", params={"gpu": "H100", "limit": 5})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_deploying_again_changes_nothing_and_keeps_serving(cloud: LocalCloud, pro):
    before = cloud.environment["stack"]
    cloud.start()
    assert cloud.environment["stack"] == before
    assert listed(pro)["total"] > 0


def test_with_redis_killed_midway_the_api_serves_on(cloud: LocalCloud, pro):  # R2.6 (190)
    before = listed(pro)["total"]
    cloud.end_child("redis", how=signal.SIGKILL)
    try:
        assert not redis_server.answers(cloud.ports["redis"])
        for _ in range(20):
            assert listed(pro)["total"] == before
        with client(cloud.environment) as nobody:
            assert listed(nobody)["total"] == before
            assert nobody.get("/health").status_code == 200
    finally:
        cloud.launch("redis")
    assert listed(pro)["total"] == before


def test_without_redis_nobody_is_unlimited(cloud: LocalCloud):  # R4.6 (203)
    cloud.end_child("redis", how=signal.SIGKILL)
    try:
        with client(cloud.environment) as nobody:
            answers = [nobody.get("/api/v2/providers", params={"limit": 1}).status_code for _ in range(150)]
        assert 429 in answers
    finally:
        cloud.launch("redis")


def test_a_provider_that_hangs_is_labelled_stale_and_costs_the_others_nothing(cloud: LocalCloud, pro):  # R2.3, R7.2
    def parts() -> dict[str, dict]:
        return {part["provider"]: part for part in listed(pro)["providers"]}

    control = f"{cloud.providers_url}/_control/faults"
    before = parts()["runpod"]["offers"]
    httpx.post(control, json={"kind": "hang", "provider": "runpod", "operation": "list"}).raise_for_status()
    try:
        seen = eventually(parts, lambda now: now["runpod"]["stale"], seconds=STALE_AFTER_S + 45, every=1)
        assert seen["runpod"]["offers"] == before, "its last good offers stay"
        others = [part for name, part in seen.items() if name != "runpod"]
        assert not [part for part in others if part["stale"]]
        assert max(part["age_seconds"] for part in others) < STALE_AFTER_S
        page = pro.get("/api/v2/providers", params={"provider": "runpod", "limit": 1}).json()
        assert page["offers"][0]["stale"] is True
        health = httpx.get(f"{cloud.base_url}/api/v2/providers/health").json()
        assert health["status"] == "degraded"
        assert [part["provider"] for part in health["providers"] if not part["healthy"]] == ["runpod"]
    finally:
        httpx.delete(control).raise_for_status()
    eventually(parts, lambda now: not now["runpod"]["stale"], seconds=STALE_AFTER_S + 30, every=1)


def test_a_rental_survives_a_restart_of_the_engine(cloud: LocalCloud, pro):
    offer = pro.get("/api/v2/providers", params={"rentable": "true", "availability": "available", "limit": 1})
    with rented(pro, offer_id=offer.json()["offers"][0]["offer_id"]) as rental:
        before = ready(pro, rental)
        cloud.end_child("engine")
        with pytest.raises(httpx.HTTPStatusError, match="502"):
            pro.get("/health").raise_for_status()
        cloud.launch("engine")
        after = look(pro, rental)
        assert after["status"] == "ready"
        assert after["connection"] == before["connection"]
        assert after["price_per_hour_micros"] == before["price_per_hour_micros"]


def test_the_market_is_fresh_again_after_the_engine_was_killed(cloud: LocalCloud, pro):
    cloud.end_child("engine", how=signal.SIGKILL)
    cloud.launch("engine")
    page = eventually(
        lambda: listed(pro),
        lambda page: page["total"] > 0 and not any(part["stale"] for part in page["providers"]),
        seconds=STALE_AFTER_S + 30,
        every=1,
    )
    assert len(page["providers"]) == len(SLUGS)
