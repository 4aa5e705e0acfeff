"""Accounts in the running house: money that comes, is spent by many at once, and is bounded by budgets."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from infra.local import aws
from infra.local.cloud import LocalCloud
from infra.local.credentials import MONEY
from tests.e2e.callers import client, eventually

PASSWORD = "a long and quiet sentence"
Someone = Callable[[], tuple[str, httpx.Client]]


@pytest.fixture
def as_role(cloud: LocalCloud) -> Any:
    """A client per role, all closed afterwards."""
    clients: list[httpx.Client] = []

    def of(role: str) -> httpx.Client:
        clients.append(client(cloud.environment, role))
        return clients[-1]

    yield of
    for one in clients:
        one.close()


@pytest.fixture
def someone(cloud: LocalCloud) -> Any:
    """A user who has just registered: the id, and a client signed in as them."""
    clients: list[httpx.Client] = []

    def register() -> tuple[str, httpx.Client]:
        http = client(cloud.environment)
        clients.append(http)
        login = {"email": f"ada-{time.time_ns()}@example.com", "password": PASSWORD}
        assert http.post("/api/v2/auth/register", json=login).status_code == 202
        tokens = http.post("/api/v2/auth/login", json=login).json()
        http.headers["authorization"] = f"Bearer {tokens['access_token']}"
        return tokens["user_id"], http

    yield register
    for one in clients:
        one.close()


def key(name: str) -> dict[str, str]:
    return {"idempotency-key": f"{name}-{time.time_ns()}"}


def post(http: httpx.Client, path: str, body: Any, **headers: str) -> Any:
    answer = http.post(path, json=body, headers=headers or key("once"))
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def test_the_callers_of_the_local_cloud_begin_with_money(as_role):
    for role in ("free", "pro", "enterprise"):
        told = as_role(role).get("/api/v1/accounts/me/balance").json()
        assert told["posted"] == MONEY[role], role
    # An agent spends what is its owner's.
    assert as_role("agent").get("/api/v1/accounts/me/balance").json()["posted"] == MONEY["agent-owner"]


def test_who_registers_has_an_account_before_they_ask_for_it(someone: Someone, as_role):
    user_id, _ = someone()
    service = as_role("service")
    seen = eventually(
        lambda: service.get(f"/api/v1/accounts/{user_id}"), lambda answer: answer.status_code == 200, seconds=20
    )
    assert (seen.json()["kind"], seen.json()["state"]) == ("user", "open")


def test_of_twenty_deductions_at_once_the_ten_that_there_is_money_for_succeed(someone: Someone, as_role):  # (471)
    user_id, ada = someone()
    admin, service = as_role("admin"), as_role("service")
    post(admin, f"/api/v1/accounts/{user_id}/credit", {"amount": 10, "reason": "ten deductions"})

    def take(number: int) -> int:
        body = {"amount": 1, "reference": f"line {number}"}
        return service.post(f"/api/v1/accounts/{user_id}/deduct", json=body, headers=key(f"take-{number}")).status_code

    with ThreadPoolExecutor(20) as together:
        statuses = sorted(together.map(take, range(20)))
    assert statuses == [200] * 10 + [402] * 10
    balance = ada.get("/api/v1/accounts/me/balance").json()
    assert (balance["posted"], balance["held"], balance["available"]) == (0, 0, 0)
    entries = ada.get("/api/v1/accounts/me/activity", params={"kind": "deduction", "limit": 100}).json()["entries"]
    assert [entry["amount"] for entry in entries] == [-1] * 10


def test_the_same_deduction_sent_by_many_at_once_is_taken_once(someone: Someone, as_role):  # (471)
    user_id, _ = someone()
    admin, service = as_role("admin"), as_role("service")
    post(admin, f"/api/v1/accounts/{user_id}/credit", {"amount": 10, "reason": "one deduction"})
    same = key("same")
    with ThreadPoolExecutor(8) as together:
        answers = list(
            together.map(
                lambda _: service.post(f"/api/v1/accounts/{user_id}/deduct", json={"amount": 3}, headers=same), range(8)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["transfer_id"] for answer in answers}) == 1
    assert service.get(f"/api/v1/accounts/{user_id}/balance").json()["posted"] == 7


def test_another_tenants_account_is_no_account(someone: Someone, as_role):  # (434)
    user_id, ada = someone()
    ada.get("/api/v1/accounts/me").raise_for_status()
    stranger = as_role("free")
    for path in ("", "/balance", "/activity", "/deposits", "/withdrawals"):
        assert stranger.get(f"/api/v1/accounts/{user_id}{path}").status_code == 404, path
    refused = stranger.post(f"/api/v1/accounts/{user_id}/deduct", json={"amount": 1}, headers=key("steal"))
    assert refused.status_code == 403


def alerts_told(cloud: LocalCloud, budget: str) -> list[str]:
    """Which alerts of a budget were told, as the ledger notes it with the fact: `2026-05#ALERT#0500`."""
    dynamodb = aws.client("dynamodb", cloud.environment["aws_endpoint_url"])
    found = dynamodb.query(
        TableName=cloud.environment["stack"]["outputs"]["LedgerTableName"],
        KeyConditionExpression="pk = :budget",
        ExpressionAttributeValues={":budget": {"S": f"{budget}#BUDGET"}},
    )
    return [item["sk"]["S"][7:] for item in found["Items"] if "#ALERT#" in item["sk"]["S"]]


def test_an_organisations_budget_is_enforced_by_its_holds(cloud: LocalCloud, someone: Someone, as_role):
    _, ada = someone()
    bob_id, bob = someone()
    admin, service = as_role("admin"), as_role("service")
    budget = {"limit": 10, "alerts": [0.5, 1]}
    org_id = post(ada, "/api/v1/organizations", {"name": "Numbers", "budget": budget})["org_id"]
    post(ada, f"/api/v1/organizations/{org_id}/members", {"user_id": bob_id, "role": "viewer"})
    post(admin, f"/api/v1/accounts/{org_id}/credit", {"amount": 1000, "reason": "a month"})
    assert bob.get(f"/api/v1/accounts/{org_id}/balance").json()["available"] == 1000
    assert bob.post(f"/api/v1/accounts/{org_id}/deposits", json={"amount": 1}, headers=key("no")).status_code == 403

    def hold(amount: float, **who: str) -> httpx.Response:
        body = {"account_id": org_id, "amount": amount, **who}
        return service.post("/internal/v1/ledger/holds", json=body, headers=key("hold"))

    with ThreadPoolExecutor(8) as together:
        statuses = sorted(answer.status_code for answer in together.map(hold, [2.5] * 8))
    assert statuses == [201] * 4 + [402] * 4
    assert hold(0.000001).json()["type"].endswith("budget-exceeded")
    assert hold(1, user_id=bob_id).status_code == 403  # a viewer spends nothing
    told = ada.get(f"/api/v1/organizations/{org_id}").json()
    assert (told["members"], told["budget"]["held"], told["budget"]["remaining"]) == (2, 10, 0)
    assert bob.get(f"/api/v1/accounts/{org_id}/balance").json()["available"] == 990
    told = eventually(lambda: alerts_told(cloud, org_id), lambda seen: len(seen) == 2, seconds=20)
    assert told == ["#ALERT#0500", "#ALERT#1000"]


def tell(cloud: LocalCloud, kind: str, deposit: dict[str, Any], **more: Any) -> None:
    """A fact of billing on the bus."""
    detail = {
        "payment_id": f"pay_{deposit['deposit_id']}",
        "account_id": deposit["account_id"],
        "amount_micros": deposit["amount_micros"],
        "currency": "USD",
        "purpose": "deposit",
        "reference": deposit["deposit_id"],
        "processor": "test",
        "at": deposit["requested_at"],
        "traceparent": None,
        "correlation_id": None,
    } | more
    entry = {
        "EventBusName": cloud.environment["stack"]["outputs"]["EventBusName"],
        "Source": "gpubroker.billing",
        "DetailType": kind,
        "Detail": json.dumps(detail),
    }
    events = aws.client("events", cloud.environment["aws_endpoint_url"])
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_payment_that_succeeds_is_credited_once(cloud: LocalCloud, someone: Someone):
    _, ada = someone()
    one = post(ada, "/api/v1/accounts/me/deposits", {"amount": 25, "payment_method_id": "pm_of_nobody"})
    path = f"/api/v1/accounts/me/deposits/{one['deposit_id']}"
    for _ in range(3):
        tell(cloud, "PaymentSucceeded", one)
    eventually(lambda: ada.get(path).json()["status"], lambda status: status == "completed", seconds=20)
    # Told after the others and of another payment: once it is here, so are the repetitions.
    tell(cloud, "PaymentSucceeded", one, payment_id="pay_second", amount_micros=5_000_000)
    balance = eventually(
        lambda: ada.get("/api/v1/accounts/me/balance").json()["posted"], lambda posted: posted >= 30, seconds=20
    )
    assert balance == 30


def test_a_deposit_is_paid_by_card_and_credited(someone: Someone):  # (439, 445)
    _, ada = someone()
    method = ada.post("/api/v1/billing/payment-methods", json={"token": "tok_visa"})
    assert method.is_success, method.text
    wanted = {"amount": 25, "payment_method_id": method.json()["payment_method_id"]}
    one = post(ada, "/api/v1/accounts/me/deposits", wanted)
    path = f"/api/v1/accounts/me/deposits/{one['deposit_id']}"
    seen = eventually(lambda: ada.get(path).json(), lambda told: told["status"] in ("completed", "failed"), seconds=60)
    assert (seen["status"], seen["credited"]) == ("completed", 25), seen
    assert ada.get("/api/v1/accounts/me/balance").json()["posted"] == 25


def test_a_withdrawal_is_held_approved_and_paid(someone: Someone, as_role):
    user_id, ada = someone()
    admin = as_role("admin")
    post(admin, f"/api/v1/accounts/{user_id}/credit", {"amount": 10, "reason": "to be withdrawn", "source": "deposit"})
    wanted = {"amount": 4, "destination": "DE89 3704 0044"}
    one = post(ada, "/api/v1/accounts/me/withdrawals", wanted)
    assert ada.get("/api/v1/accounts/me/balance").json()["available"] == 6
    path = f"/api/v1/accounts/{user_id}/withdrawals/{one['withdrawal_id']}/decision"
    for decision, state in (("approve", "approved"), ("pay", "paid")):
        assert post(admin, path, {"decision": decision, "reason": "checked"})["status"] == state
    balance = ada.get("/api/v1/accounts/me/balance").json()
    assert (balance["posted"], balance["held"]) == (6, 0)
