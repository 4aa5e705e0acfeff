"""A key of one's own: saved, rented with, billed by the provider, taken back. Journey 3 (275), R9.5 (230)."""

import httpx
import pytest

from infra.local.providers.keys import CUSTOMER, PLATFORM, local_keys
from tests.e2e.callers import cheapest, client, look, over, ready, rented

ROUTE = "/api/v2/providers/config/integrations"


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture
def enterprise(environment):
    with client(environment, "enterprise") as http:
        yield http


def at_the_provider(environment, provider):
    """What the provider itself says is there: whose account, by label."""
    url = f"{environment['providers_url']}/_control/instances"
    found = httpx.get(url, params={"provider": provider}, trust_env=False).raise_for_status().json()["instances"]
    return {one["label"]: one["account"] for one in found}


def test_with_a_key_of_ones_own_the_provider_bills_and_the_key_cannot_be_lost(environment, enterprise):
    wrong = enterprise.post(ROUTE, json={"provider": "runpod", "api_key": "no-key-at-all"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "api_key")
    assert enterprise.get(ROUTE).json() == {"integrations": []}

    key = local_keys(CUSTOMER)["runpod"]
    saved = enterprise.post(ROUTE, json={"provider": "runpod", "api_key": key})
    assert saved.status_code == 201, saved.text
    assert key not in saved.text + enterprise.get(ROUTE).text
    before = at_the_provider(environment, "runpod")
    try:
        with rented(enterprise, offer_id=cheapest(enterprise, "runpod")) as rental:
            assert rental["billed_by"] == "provider"
            seen = ready(enterprise, rental)
            assert seen["connection"]["ssh"]["host"]
            made = {
                label: whose for label, whose in at_the_provider(environment, "runpod").items() if label not in before
            }
            assert list(made.values()) == [CUSTOMER]
            assert next(iter(made)).startswith("gpb-")

            kept = enterprise.delete(f"{ROUTE}/runpod")
            assert (kept.status_code, kept.json()["rentals"]) == (409, [rental["rental_id"]])
            other = enterprise.post(ROUTE, json={"provider": "runpod", "api_key": local_keys(PLATFORM)["runpod"]})
            assert (other.status_code, other.json()["type"].rpartition("#")[2]) == (409, "another-account")

            enterprise.delete(f"/api/v2/rentals/{rental['rental_id']}").raise_for_status()
            ended = over(enterprise, rental)
        assert (ended["status"], ended["final_cost_micros"], ended["billed_by"]) == ("ended", 0, "provider")
        assert ended["provider_cost_micros"] >= 0
        assert not set(made) & set(at_the_provider(environment, "runpod"))
    finally:
        assert enterprise.delete(f"{ROUTE}/runpod").status_code == 204
    assert enterprise.get(ROUTE).json() == {"integrations": []}


def test_without_one_the_platforms_account_is_used(environment, enterprise):
    with rented(enterprise, offer_id=cheapest(enterprise, "runpod")) as rental:
        ready(enterprise, rental)
        assert look(enterprise, rental)["billed_by"] == "gpubroker"
        assert set(at_the_provider(environment, "runpod").values()) == {PLATFORM}
