"""A card, a deposit, a month of usage, its invoice and its documents, through the whole house (420, 441, 445-449)."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually

SECONDS = 60.0


@pytest.fixture
def user(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with client(cloud.environment, "pro") as http:
        yield http


def asked_for_a_deposit(http: httpx.Client, method_id: str, usd: float) -> str:
    """The deposit's id."""
    wanted = {"amount": usd, "payment_method_id": method_id}
    answer = http.post(
        "/api/v1/accounts/me/deposits", json=wanted, headers={"Idempotency-Key": f"deposit-{time.time_ns()}"}
    )
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["deposit_id"])


def balance(http: httpx.Client) -> int:
    return int(http.get("/api/v1/accounts/me/balance").json()["posted_micros"])


def payment_of(http: httpx.Client, reference: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        payments = http.get("/api/v1/billing/payments?limit=100").json()["payments"]
        return next((one for one in payments if one["reference"] == reference), None)

    found = eventually(look, lambda one: one is not None and one["state"] in ("succeeded", "failed"), seconds=SECONDS)
    assert found is not None
    return found


def test_a_deposit_is_paid_by_card_and_a_declined_one_is_not(cloud: LocalCloud, user: httpx.Client) -> None:
    refused = user.post("/api/v1/billing/payment-methods", json={"token": "4242424242424242"})
    assert refused.status_code == 422
    assert "4242424242424242" not in refused.text
    methods = {}
    for token in ("tok_visa", "tok_declined"):
        answer = user.post("/api/v1/billing/payment-methods", json={"token": token})
        assert answer.status_code in (200, 201), answer.text
        methods[token] = answer.json()["payment_method_id"]
    shown = user.get("/api/v1/billing/payment-methods").json()["payment_methods"]
    assert {(one["brand"], one["last4"]) for one in shown} >= {("visa", "4242"), ("visa", "0002")}
    assert "tok_" not in json.dumps(shown)

    before = balance(user)
    paid = payment_of(user, asked_for_a_deposit(user, methods["tok_visa"], 25))
    assert (paid["state"], paid["amount_micros"]) == ("succeeded", 25_000_000)
    eventually(lambda: balance(user), lambda now: now == before + 25_000_000, seconds=SECONDS)
    failed = payment_of(user, asked_for_a_deposit(user, methods["tok_declined"], 5))
    assert (failed["state"], failed["failure"]) == ("failed", "card_declined")
    sent = httpx.get(f"{cloud.providers_url}/_control/payments", trust_env=False).json()["webhooks"]
    assert {one["status"] for one in sent} == {200}
    user.delete(f"/api/v1/billing/payment-methods/{methods['tok_declined']}").raise_for_status()
    assert balance(user) == before + 25_000_000


def test_usage_becomes_an_invoice_that_a_card_pays_and_that_can_be_read(cloud: LocalCloud, user: httpx.Client) -> None:
    account_id = cloud.environment["credentials"]["pro"]["user_id"]
    user.post("/api/v1/billing/payment-methods", json={"token": "tok_mastercard", "default": True}).raise_for_status()
    instance_id, event_id = f"i-{time.time_ns()}", f"evt-{time.time_ns()}"
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
    start = end - timedelta(seconds=30)
    event = {
        "event_type": "resource_usage",
        "version": "1.0",
        "timestamp": end.isoformat().replace("+00:00", "Z"),
        "user_id": account_id,
        "instance_id": instance_id,
        "event_id": event_id,
        "metrics": {"gpu_seconds": 240, "cpu_seconds": 30},
        "period": {name: at.isoformat().replace("+00:00", "Z") for name, at in (("start", start), ("end", end))},
    }
    with client(cloud.environment, "service") as service:
        taken = service.post("/api/v1/usage/events", json=event)
        assert taken.status_code == 202, taken.text
    hour = {"instance_id": instance_id, "hour": event["period"]["start"]}

    def where() -> dict[str, Any]:
        answer = user.get(f"/api/v1/billing/usage-events/{event_id}", params=hour)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert eventually(where, lambda one: one["reason"] != "unknown", seconds=SECONDS)["reason"] == "period open"

    wanted = {"period": f"{start:%Y-%m}", "account_id": account_id, "reason": "the account is closed"}
    with client(cloud.environment, "admin") as admin:
        assert admin.post("/api/v1/billing/invoices/run", json=wanted).status_code == 202
    assert user.post("/api/v1/billing/invoices/run", json=wanted).status_code == 403

    def newest() -> dict[str, Any] | None:
        found = user.get("/api/v1/billing/invoices").json()["invoices"]
        return found[0] if found else None

    invoice = eventually(newest, lambda one: one is not None and one["state"] == "paid", seconds=SECONDS)
    assert invoice is not None
    path = f"/api/v1/billing/invoices/{invoice['invoice_id']}"
    whole = user.get(path).json()
    usage = [line for line in whole["items"] if line["source"] == instance_id]
    assert {line["resource"]: line["amount_micros"] for line in usage} == {"gpu_seconds": 80_000, "cpu_seconds": 167}
    assert whole["remaining_micros"] == 0
    assert whole["total_micros"] == sum(line["amount_micros"] for line in whole["items"])
    assert whole["paid_by_card_micros"] + whole["paid_from_balance_micros"] == whole["due_micros"]

    pdf = user.get(f"{path}/pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert pdf.content.rstrip().endswith(b"%%EOF")
    table = user.get(f"{path}/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert sum(int(row["amount_micros"]) for row in rows) == whole["total_micros"]

    events = user.get(f"{path}/lines/{usage[0]['line']}/events").json()["events"]
    assert [one["event_id"] for one in events] == [event_id]
    assert where()["billed"]["line"] in {line["line"] for line in usage}
    with client(cloud.environment, "free") as other:
        for below in ("", "/pdf", "/csv", f"/lines/{usage[0]['line']}/events"):
            assert other.get(path + below).status_code == 404
