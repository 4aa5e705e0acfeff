"""The main job over HTTP, through API Gateway, Lambda, DynamoDB, EventBridge and Step Functions of template.yaml."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from gpubroker.offers.instances.registry import RENTABLE
from gpubroker.offers.slugs import SLUGS
from infra.local import journey
from tests.e2e.callers import client, eventually, look, over, ready, rented, ssh_key

H100 = {"gpu": "H100", "availability": "available", "rentable": "true", "limit": 1}


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture
def pro(environment):
    with client(environment, "pro") as http:
        yield http


@pytest.fixture
def offer(environment, pro):
    """The best H100 that its provider lists. A machine that the test before rented is off the market until a sync has
    seen it free, and what a warm function shows may be five seconds older."""
    with client(environment, "service") as service:

        def best():
            offer = pro.get("/api/v2/providers/ranking", params=H100).json()["ranking"][0]["offer"]
            asked = {"offer_id": offer["offer_id"], "duration": 1}
            return offer, service.post("/internal/v1/rentals/cost-estimate", json=asked).status_code

        return eventually(best, lambda seen: seen[1] == 200, seconds=60)[0]


def test_anybody_sees_the_market_and_how_fresh_each_part_of_it_is(environment):  # Journey 1 (262)
    with client(environment) as http:
        page = http.get("/api/v2/providers", params={"page": 1, "per_page": 20}).json()
    assert page["total"] >= 2000
    assert len(page["offers"]) == 20
    assert len(page["providers"]) == len(SLUGS)
    assert not [part for part in page["providers"] if part["stale"] or part["missing"]]


def test_filters_hold_for_every_offer_of_every_page(environment):  # Journey 1 (263), R7.4 (218), R7.6 (220)
    seen, prices, cursor = set(), [], None
    with client(environment, "pro") as http:
        while True:
            asked = {"gpu": "A100", "max_price": "2.0", "region": "us-east", "limit": 7}
            answer = http.get("/api/v2/providers", params=asked | ({"cursor": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for offer in page["offers"]:
                assert offer["gpu_model"].startswith("A100")
                assert offer["price_per_gpu_hour"] <= 2
                assert offer["region"] == "us-east"
                assert offer["offer_id"] not in seen
                seen.add(offer["offer_id"])
                prices.append(offer["price_micros_per_gpu_hour"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert len(seen) == page["total"] > 0
    assert prices == sorted(prices)


def test_one_rental_from_request_to_final_cost(pro, offer):  # Journey 2 (274), Journey 4 (286, 289)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    wanted = {"offer_id": offer["offer_id"], "duration_hours": 1, "ssh_public_key": ssh_key()}
    asked = pro.post("/api/v2/rentals/provision", json=wanted, headers=key)
    assert asked.status_code == 202, asked.text
    assert asked.headers["location"] == f"/api/v2/rentals/{asked.json()['rental_id']}"
    assert int(asked.headers["retry-after"]) >= 1
    again = pro.post("/api/v2/rentals/provision", json=wanted, headers=key)
    assert again.json()["rental_id"] == asked.json()["rental_id"], "the same key is the same rental"

    rental = ready(pro, asked.json())
    assert rental["connection"]["ssh"]["host"]
    assert rental["offer_id"] == offer["offer_id"]
    assert rental["price_per_hour_micros"] == offer["price_micros_per_hour"]

    assert pro.delete(f"/api/v2/rentals/{rental['rental_id']}").status_code in (200, 202)
    ended = over(pro, rental)
    assert ended["status"] == "ended"
    member = ended["members"][0]
    lived = datetime.fromisoformat(member["charged_until"]) - datetime.fromisoformat(member["ready_at"])
    due = Decimal(member["price_per_hour_micros"]) * int(lived.total_seconds()) / 3600
    assert ended["final_cost_micros"] == int(due.to_integral_value(ROUND_HALF_EVEN))

    twice = pro.delete(f"/api/v2/rentals/{rental['rental_id']}")
    assert twice.status_code in (200, 202), "ending twice is harmless"
    assert look(pro, rental)["final_cost_micros"] == ended["final_cost_micros"]


def test_a_caller_who_waits_gets_the_connection_in_the_same_answer(pro, offer):
    wanted = {"offer_id": offer["offer_id"], "duration_hours": 1, "ssh_public_key": ssh_key()}
    answer = pro.post("/api/v2/rentals/provision", json=wanted, headers={"Prefer": "wait=20"})
    rental = answer.json()
    try:
        assert answer.status_code in (200, 201), answer.text
        assert rental["status"] == "ready"
        assert rental["connection"]["ssh"]["command"].startswith("ssh ")
    finally:
        pro.delete(f"/api/v2/rentals/{rental['rental_id']}")
        over(pro, rental)


@pytest.fixture(scope="module")
def rented_everywhere(environment):
    """A rental at each provider, from its request to its end, four at a time: what became of it, by provider."""

    def at(provider):
        asked = {"provider": provider, "rentable": "true", "availability": "available", "spot": "false", "limit": 1}
        with client(environment, "pro") as http:
            (cheapest,) = http.get("/api/v2/providers", params=asked).json()["offers"]
            with rented(http, offer_id=cheapest["offer_id"]) as rental:
                host = ready(http, rental)["connection"]["ssh"]["host"]
                http.delete(f"/api/v2/rentals/{rental['rental_id']}").raise_for_status()
                return cheapest, host, over(http, rental)

    with ThreadPoolExecutor(4) as together:
        return {provider: together.submit(at, provider) for provider in RENTABLE}


@pytest.mark.parametrize("provider", sorted(RENTABLE))
def test_every_provider_that_rents_gives_a_connection_and_ends(rented_everywhere, provider):
    offer, host, ended = rented_everywhere[provider].result()
    assert host
    assert (ended["status"], ended["end_reason"]) == ("ended", "requested")
    assert ended["region"] == offer["region"]


def test_a_rental_grows_and_shrinks(pro, offer):  # Journey 4 (288)
    with rented(pro, offer_id=offer["offer_id"], max_total_price=offer["price_per_hour"] * 3) as rental:
        ready(pro, rental)
        scale = f"/api/v2/rentals/{rental['rental_id']}/scale"
        assert pro.post(scale, json={"action": "add", "count": 1}).status_code in (200, 202)
        grown = eventually(lambda: look(pro, rental), lambda now: now["operation"] is None, seconds=60)
        assert statuses(grown).count("ready") == grown["count"] == 2, grown
        assert pro.post(scale, json={"action": "remove", "count": 1}).status_code in (200, 202)
        shrunk = eventually(lambda: look(pro, rental), lambda now: now["operation"] is None, seconds=60)
        assert statuses(shrunk).count("ready") == shrunk["count"] == 1, shrunk
        assert statuses(shrunk).count("ended") == 1, "charged until its end; others were tried in vain and are undone"


def statuses(rental) -> list[str]:
    return [member["status"] for member in rental["members"]]


def test_a_rental_that_cannot_grow_within_its_price_says_why_and_runs_on(pro, offer):
    with rented(pro, offer_id=offer["offer_id"], max_total_price=offer["price_per_hour"]) as rental:
        ready(pro, rental)
        # The machine is taken now, and every similar one is dearer: this was the cheapest of its kind.
        pro.post(f"/api/v2/rentals/{rental['rental_id']}/scale", json={"action": "add", "count": 1}).raise_for_status()
        after = eventually(lambda: look(pro, rental), lambda now: now["operation"] is None, seconds=60)
        assert [member["status"] for member in after["members"]] == ["ready", "undone"]
        assert after["members"][1]["failure"]["code"]
        assert after["members"][1]["cost_micros"] == 0
        assert after["status"] == "ready"


def test_a_rental_belongs_to_its_tenant_alone(environment, pro, offer):
    with rented(pro, offer_id=offer["offer_id"]) as rental:
        path = f"/api/v2/rentals/{rental['rental_id']}"
        with client(environment, "enterprise") as other:
            assert other.get(path).status_code == 404
            assert other.delete(path).status_code == 404
        with client(environment) as nobody:
            assert nobody.get(path).status_code == 401
        ready(pro, rental)


def test_an_offer_that_cannot_be_rented_is_a_clear_409(pro):
    page = pro.get("/api/v2/providers", params={"rentable": "false", "limit": 1}).json()
    answer = pro.post("/api/v2/rentals", json={"offer_id": page["offers"][0]["offer_id"], "duration_hours": 1})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("offer-not-rentable")


def test_every_role_has_a_ready_caller(environment):
    for role in ("free", "pro", "enterprise", "admin", "service", "agent"):
        own = environment["credentials"][role]
        with client(environment, role) as http:
            answer = http.get("/api/v2/auth/me")
            assert answer.status_code == 200, (role, answer.text)
            assert answer.json()["user_id"] == own["user_id"]
        with client(environment) as http:
            by_key = http.get("/api/v2/auth/me", headers={"X-API-Key": own["api_key"]})
            assert by_key.status_code == 200, (role, by_key.text)


def test_the_journey_that_make_run_prints_goes_through(environment, offer):
    lines: list[str] = []
    rental = journey.play(environment, say=lines.append)
    text = "\n".join(lines)
    assert rental["status"] == "ended"
    for told in (
        f"offers of {len(SLUGS)} providers",
        "cheapest:",
        "TOPSIS",
        "workflow",
        "ssh -p",
        "are held of",
        "final cost $",
        "left the account",
    ):
        assert told in text, text


def test_a_page_of_another_origin_may_call_with_a_token(environment):
    asks = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    with client(environment, "pro") as http:
        for path in ("/api/v2/auth/login", "/api/v2/providers/query", "/api/v2/rentals"):
            allowed = http.options(path, headers=asks)
            assert allowed.status_code == 204, path
            assert allowed.headers["access-control-allow-origin"] == "*"
            assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
        answer = http.get("/api/v2/rentals", headers={"Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
