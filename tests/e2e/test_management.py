"""The management tier through the whole house: what it is told, what rentals tell it, and what it remembers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gpubroker.management.rental_orders import transaction_id_of
from infra.local import aws
from infra.local.cloud import ROOT
from tests.e2e.callers import cheapest, client, eventually, over, ready, rented

BASE = "/api/management/integration"


@pytest.fixture(scope="module")
def environment(cloud):
    return cloud.environment


@pytest.fixture
def service(environment) -> Iterator[httpx.Client]:
    with client(environment, "service") as http:
        yield http


@pytest.fixture
def admin(environment) -> Iterator[httpx.Client]:
    with client(environment, "admin") as http:
        yield http


def found(http: httpx.Client, path: str) -> Any:
    """What stands there, or None."""
    answer = http.get(BASE + path)
    return answer.json() if answer.status_code == 200 else None


def test_a_trade_is_told_and_kept_and_refusals_have_the_tiers_form(service, admin, environment):
    """(3), (14)-(29), (55)"""
    order = {"orderId": "e2e-1", "userId": "usr_e2e", "status": "pending", "amount": 1000}
    trade = order | {"transactionId": "e2e-t1", "status": "completed", "fees": 10}
    answer = service.post(f"{BASE}/orders/update", json=order)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Order update stored"})
    answer = service.post(f"{BASE}/transactions/update", json=trade)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Transaction update stored"})
    assert found(service, "/transactions/e2e-t1")["sellerGets_micros"] == 995_000_000
    assert found(admin, "/fees/config")["tiers"][-1]["maxVolume"] is None
    for refused, status in (
        (service.post(f"{BASE}/orders/update", json=order | {"amount": -1}), 400),
        (service.post(f"{BASE}/orders/update", content=b"{broken"), 400),
        (service.post(f"{BASE}/transactions/update", json=trade | {"status": "pending"}), 409),
        (service.get(f"{BASE}/nowhere"), 404),
        (service.delete(f"{BASE}/fees/config"), 405),
    ):
        assert (refused.status_code, set(refused.json())) == (status, {"success", "error"}), refused.text
    with client(environment, "pro") as http:
        assert http.get(f"{BASE}/fees/config").status_code == 403


def test_a_rental_makes_its_order_and_its_transaction_by_itself(service, environment):
    with client(environment, "pro") as http, rented(http, offer_id=cheapest(http, "vastai")) as rental:
        rental_id = rental["rental_id"]
        order = eventually(lambda: found(service, f"/orders/{rental_id}"), lambda seen: seen is not None, seconds=30)
        assert (order["source"], order["sellerId"]) == ("rental", "seller:vastai")
        ready(http, rental)
        eventually(lambda: found(service, f"/orders/{rental_id}"), lambda seen: seen["status"] == "active", seconds=30)
    with client(environment, "pro") as http:
        cost = over(http, rental)["final_cost_micros"]
    order = eventually(
        lambda: found(service, f"/orders/{rental_id}"), lambda seen: seen["status"] == "completed", seconds=30
    )
    if cost == 0:  # ended within the second in which it was ready
        assert order["amount_micros"] == 0
        return
    trade = eventually(
        lambda: found(service, f"/transactions/{transaction_id_of(rental_id)}"),
        lambda seen: seen is not None,
        seconds=30,
    )
    assert trade["buyerPays_micros"] == cost
    assert trade["sellerGets_micros"] + trade["fees_micros"] == cost
    assert order["traded_micros"] == order["amount_micros"] == trade["amount_micros"]


def test_what_matters_is_recorded_and_the_command_finds_the_log_whole(service, admin, environment):
    told = {"eventType": "kyc.checked", "eventData": {"userId": "usr_e2e_k", "password": "not to be kept"}}
    assert service.post(f"{BASE}/audit/log", json=told).json() == {"success": True, "message": "Audit event received"}
    (entry,) = found(service, "/audit/events?subject=usr_e2e_k")["events"]
    assert entry["eventData"]["password"] == "[removed]"

    tiers = [{"id": "all", "name": "All", "minVolume": 0, "maxVolume": None, "buyerFee": 0.5, "sellerFee": 0.5}]
    change = admin.put(f"{BASE}/fees/config", json={"buyerFee": 0.5, "sellerFee": 0.5, "tiers": tiers})
    assert change.status_code == 200, change.text
    version = change.json()["version"]

    def recorded() -> list[Any]:
        events = found(service, "/audit/events?type=FeesChanged")["events"]
        return [one for one in events if one["eventData"]["version"] == version]

    eventually(recorded, lambda seen: len(seen) == 1, seconds=30)

    ours = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    variables = {**ours, **aws.variables(environment["aws_endpoint_url"])}
    command = [sys.executable, "-m", "infra.audit", "verify"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "whole" in done.stdout


def test_analytics_and_clusters_are_kept(service):
    for _ in range(2):
        event = {"eventType": "e2e.seen", "eventData": {"page": "/"}}
        answer = service.post(f"{BASE}/analytics/ingest", json=event, headers={"Idempotency-Key": "e2e-once"})
        assert answer.json() == {"success": True, "message": "Analytics event stored"}
    assert found(service, "/analytics/counts?type=e2e.seen")["total"] == 1
    cluster = {"id": "e2e-cl", "name": "One", "endpoint": "https://one.example.com:6443", "region": "eu"}
    assert service.post(f"{BASE}/clusters", json=cluster).json()["message"] == "Cluster registered successfully"
    synced = {"clusterId": "e2e-cl", "cpu": 64, "gpu": 8, "memory": 512.5}
    assert service.post(f"{BASE}/resources/sync", json=synced).json()["message"] == "Resource sync stored"
    assert [one["status"] for one in found(service, "/clusters")["clusters"] if one["id"] == "e2e-cl"] == ["active"]
    assert [one["memory"] for one in found(service, "/resources")["resources"]] == [512.5]
    assert service.delete(f"{BASE}/clusters/e2e-cl").status_code == 200
