"""Price plans, a promotion, credits and the price of an offer, over the edge; a rental's charge told on the bus.

One story: an administrator prices egress for a team, the team's account is put on the plan, redeems a code and is given
credit; services ask what an offer costs; a rental ends and billing tells its charge (301, 302, 326, 443, 444, 453).
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.local import aws
from infra.local.cloud import LocalCloud
from tests.e2e.callers import cheapest, client, eventually, ready, rented


@pytest.fixture
def admin(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with client(cloud.environment, "admin") as http:
        yield http


@pytest.fixture
def pro(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with client(cloud.environment, "pro") as http:
        yield http


def test_a_team_has_its_prices_its_discount_and_its_credit(
    cloud: LocalCloud, admin: httpx.Client, pro: httpx.Client
) -> None:
    """(443, 444, 453)"""
    account, mark = cloud.environment["credentials"]["pro"]["user_id"], time.time_ns()
    tiers = [{"up_to": 10}, {"up_to": 100, "unit_price": 0.1}, {"unit_price": 0.05}]
    egress = {"resource": "network_egress_mb", "unit": "gb", "model": "graduated", "tiers": tiers}
    plan = {"plan_id": f"team-{mark}", "name": "Team", "prices": [egress], "reason": "the team asked"}
    assert pro.post("/api/v1/billing/plans", json=plan).status_code == 403
    made = admin.post("/api/v1/billing/plans", json=plan)
    assert made.status_code == 201, made.text
    gap = plan | {"plan_id": "gap", "prices": [egress | {"tiers": [{"up_to": 10}, {"from": 11}]}]}
    refused = admin.post("/api/v1/billing/plans", json=gap)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "prices.0.tiers.1.from")

    put = admin.put(f"/api/v1/billing/accounts/{account}/plan", json={"plan_id": plan["plan_id"]})
    assert put.status_code == 200, put.text
    assert pro.get(f"/api/v1/billing/accounts/{account}/plan").json()["plan_id"] == plan["plan_id"]
    estimate = pro.post(
        f"/api/v1/billing/plans/{plan['plan_id']}/estimate", json={"usage": {"network_egress_mb": 150_000}}
    ).json()
    assert [line["amount"] for line in estimate["lines"]] == [0, 9, 2.5]
    assert estimate["total_micros"] == 11_500_000
    assert admin.delete(f"/api/v1/billing/plans/{plan['plan_id']}").status_code == 409

    code = {"code": f"e2e-{mark}", "percentage": 20, "duration": "months", "months": 2, "max_redemptions": 1}
    assert admin.post("/api/v1/billing/promotions", json=code).status_code == 201
    assert pro.post(f"/api/v1/billing/promotions/{code['code']}/redeem").status_code == 201
    assert pro.post(f"/api/v1/billing/promotions/{code['code']}/redeem").status_code == 409

    key = {"Idempotency-Key": f"credit-{mark}"}
    where = f"/api/v1/billing/accounts/{account}/credits"
    given = admin.post(where, json={"amount": 25, "name": "Welcome"}, headers=key)
    assert given.status_code == 201, given.text
    assert admin.post(where, json={"amount": 25, "name": "Welcome"}, headers=key).json() == given.json()
    assert given.json() in pro.get(where).json()["credits"]
    with client(cloud.environment, "free") as somebody_else:
        assert somebody_else.get(where).status_code == 404
    voided = admin.delete(f"{where}/{given.json()['credit_id']}", params={"reason": "the test is over"})
    assert (voided.status_code, voided.json()["status"]) == (200, "voided")


def test_what_an_offer_costs_and_what_a_rental_of_it_was_charged(cloud: LocalCloud, pro: httpx.Client) -> None:
    """(301, 302, 326, 356)"""
    offered = {"provider": "runpod", "rentable": "true", "availability": "available", "spot": "false", "limit": "1"}
    eventually(lambda: pro.get("/api/v2/providers", params=offered).json()["offers"], bool, seconds=60)
    offer_id = cheapest(pro, "runpod")
    with client(cloud.environment, "service") as service:
        told = service.get(f"/internal/v1/providers/pricing/{offer_id}")
        assert told.status_code == 200, told.text
        now = told.json()["current_pricing"]["price_per_hour_micros"]
        listed = pro.get(f"/api/v2/providers/{offer_id}").json()
        assert listed.get("price_per_hour_micros", now) == now
        assert service.get("/internal/v1/providers/pricing/runpod-none").status_code == 404
        estimate = service.post("/internal/v1/rentals/cost-estimate", json={"offer_id": offer_id, "duration": 2}).json()
        assert (
            sum(line["cost_micros"] for line in estimate["breakdown"]) == estimate["estimated_cost_micros"] == 2 * now
        )
    assert pro.get(f"/internal/v1/providers/pricing/{offer_id}").status_code in (403, 404)

    with rented(pro, offer_id=offer_id) as rental:
        ready(pro, rental)
    rental_id = rental["rental_id"]
    final = pro.get(f"/api/v2/rentals/{rental_id}").json()["final_cost_micros"]
    (charge,) = eventually(lambda: _charges_of(cloud, rental_id), bool, seconds=30)
    assert (charge["event_type"], charge["amount_micros"], charge["currency"]) == ("rental_charged", final, "USD")


def _charges_of(cloud: LocalCloud, rental_id: str) -> list[dict[str, Any]]:
    """The billing events of a rental in the outbox."""
    dynamodb = aws.client("dynamodb", cloud.environment["aws_endpoint_url"])
    items = dynamodb.scan(
        TableName=cloud.environment["stack"]["outputs"]["BillingTableName"],
        FilterExpression="begins_with(pk, :outbox)",
        ExpressionAttributeValues={":outbox": {"S": "OUTBOX#"}},
    )["Items"]
    told = [json.loads(item["event"]["S"]) for item in items]
    return [one["data"] for one in told if one["type"] == "BillingEvent" and one["subject"] == rental_id]
