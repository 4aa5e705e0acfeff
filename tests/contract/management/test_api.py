"""The management tier's integration API: bodies and messages to the letter, failures in its own form. # (1)-(56)"""

import json
from typing import Any

import pytest

from tests.contract.callers import Callers
from tests.contract.house import House, Reply, query

BASE = "/api/management/integration"
MICROS = 1_000_000


@pytest.fixture
def service(house: House, callers: Callers) -> Any:
    def ask(method: str, path: str, body: Any = None, *, who: str = "service", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return house.call(method, BASE + path, token=callers[who].token, body=body, headers=sent)

    return ask


def order(order_id: str, status: str = "pending", **changes: Any) -> dict[str, Any]:
    return {"orderId": order_id, "userId": "usr_a", "status": status, "amount": 1000} | changes


def trade(transaction_id: str, order_id: str, status: str = "completed", **changes: Any) -> dict[str, Any]:
    told = {"transactionId": transaction_id, "orderId": order_id, "userId": "usr_a", "status": status}
    return {**told, "amount": 1000, "fees": 10} | changes


def cluster(cluster_id: str, **changes: Any) -> dict[str, Any]:
    return {"id": cluster_id, "name": "One", "endpoint": "https://one.example.com:6443", "region": "eu-1"} | changes


def refused(reply: Reply, status: int, *words: str) -> str:
    """What a failure says, in the form of the management tier to the letter (55): 4xx where the client is at fault."""
    told = reply.json()
    assert reply.status == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert set(told) == {"success", "error"}
    assert told["success"] is False
    for word in words:
        assert word in told["error"], told["error"]
    return str(told["error"])


MESSAGES = [
    ("/resources/sync", {"clusterId": "cl-1", "cpu": 64, "gpu": 8.5, "memory": 0}, "Resource sync stored"),
    ("/orders/update", order("ord-messages"), "Order update stored"),
    ("/transactions/update", trade("txn-messages", "ord-messages"), "Transaction update stored"),
    ("/audit/log", {"eventType": "kyc.checked", "eventData": {}}, "Audit event received"),
    ("/analytics/ingest", {"eventType": "page.seen", "eventData": {"page": "/"}}, "Analytics event stored"),
    ("/clusters", cluster("cl-1"), "Cluster registered successfully"),
]


@pytest.mark.parametrize(("path", "body", "message"), MESSAGES)
def test_what_is_stored_is_answered_to_the_letter(service: Any, path: str, body: Any, message: str) -> None:
    """(10), (17), (23), (41), (45), (50); and for an administrator too"""
    for who in ("service", "admin", "service"):
        reply = service("POST", path, body, who=who)
        assert (reply.status, reply.json()) == (200, {"success": True, "message": message})


@pytest.mark.parametrize(("path", "body", "message"), MESSAGES)
def test_what_is_wrong_is_refused_with_the_field(service: Any, path: str, body: Any, message: str) -> None:
    """(12), (55), (56): missing, of another kind, unknown; nothing of it is 500, and nothing 422"""
    for field in body:
        refused(service("POST", path, {name: value for name, value in body.items() if name != field}), 400, field)
        refused(service("POST", path, body | {field: [body[field]]}), 400, field)
        refused(service("POST", path, body | {field: None}), 400, field)
    refused(service("POST", path, body | {"unheard": 1}), 400, "unheard")
    refused(service("POST", path, "{broken"), 400, "JSON")
    refused(service("POST", path, ""), 400, "JSON")
    refused(service("POST", path, json.dumps([body])), 400)
    twice = json.dumps(body)[:-1] + f', "{next(iter(body))}": 1}}'
    refused(service("POST", path, twice), 400, next(iter(body)))
    refused(service("POST", f"{path}?what=ever", body), 400, "what")
    refused(service("POST", path, body, idempotency_key=""), 400, "Idempotency-Key")


@pytest.mark.parametrize("who", ["anonymous", "free", "pro", "enterprise", "agent"])
@pytest.mark.parametrize(("path", "body", "message"), MESSAGES)
def test_only_services_and_administrators_may(service: Any, who: str, path: str, body: Any, message: str) -> None:
    refused(service("POST", path, body, who=who), 401 if who == "anonymous" else 403)
    refused(service("POST", path, "{broken", who=who), 401 if who == "anonymous" else 403)


NUMBERS = ["-1", "-0.000001", "NaN", "Infinity", "-Infinity", "1e400", '"5"', "true", "null", "{}", "[1]"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    ("path", "field", "body"),
    [("/resources/sync", field, MESSAGES[0][1]) for field in ("cpu", "gpu", "memory")]
    + [("/orders/update", "amount", order("ord-number"))]
    + [("/transactions/update", field, trade("txn-number", "ord-number")) for field in ("amount", "fees")],
)
def test_no_number_is_refused(service: Any, path: str, field: str, body: Any, number: str) -> None:
    """(12), (19)"""
    text = json.dumps(body | {field: "HERE"}).replace('"HERE"', number)
    error = refused(service("POST", path, text), 400)
    assert field in error or number.strip("-") in error


@pytest.mark.parametrize(
    "amount", ["0.0000001", "1000000000000.1", "1e13", "1e300", "1e-300", "9" * 400, "12345678901.123456"]
)
def test_amounts_are_exact_to_the_micro_dollar_and_not_absurd(service: Any, amount: str) -> None:
    """(19)"""
    text = json.dumps(order("ord-amount", amount="HERE")).replace('"HERE"', amount)
    refused(service("POST", "/orders/update", text), 400, "amount")
    refused(service("GET", "/orders/ord-amount"), 404, "ord-amount")


def test_an_amount_stays_what_was_written(service: Any) -> None:
    text = json.dumps(order("ord-exact", amount="HERE")).replace('"HERE"', "123456789.123457")
    assert service("POST", "/orders/update", text).status == 200
    told = service("GET", "/orders/ord-exact").json()
    assert (told["amount"], told["amount_micros"]) == (123456789.123457, 123456789123457)


# ---------------------------------------------------------------- resources


def test_of_resources_the_last_that_was_received_wins(service: Any) -> None:
    """(5)-(11), (13)"""
    for cpu in (1, 96):
        service("POST", "/resources/sync", {"clusterId": "cl-twice", "cpu": cpu, "gpu": 8, "memory": 0.5})
    found = [one for one in service("GET", "/resources").json()["resources"] if one["clusterId"] == "cl-twice"]
    assert len(found) == 1
    moment = found[0].pop("received_at")
    assert found == [{"clusterId": "cl-twice", "cpu": 96.0, "gpu": 8.0, "memory": 0.5}]
    assert moment.endswith("Z")


def test_resources_are_read_by_pages(service: Any) -> None:
    for number in range(3):
        service("POST", "/resources/sync", {"clusterId": f"cl-page-{number}", "cpu": 1, "gpu": 1, "memory": 1})
    seen: list[str] = []
    cursor = None
    while True:
        page = service("GET", f"/resources?{query(limit=2, cursor=cursor)}").json()
        seen += [one["clusterId"] for one in page["resources"]]
        assert len(page["resources"]) <= 2
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert {f"cl-page-{number}" for number in range(3)} <= set(seen)
    refused(service("GET", "/resources?cursor=x"), 400, "cursor")
    refused(service("GET", "/resources?limit=0"), 400, "limit")


# ---------------------------------------------------------------- orders and transactions


def test_an_order_goes_its_way_and_is_read(service: Any) -> None:
    """(14)-(18)"""
    for status in ("pending", "pending", "open", "active", "active", "completed"):
        assert service("POST", "/orders/update", order("ord-way", status)).status == 200
    refused(service("POST", "/orders/update", order("ord-way", "active")), 409, "completed", "active")
    told = service("GET", "/orders/ord-way").json()
    moments = {name: told.pop(name) for name in ("created_at", "updated_at")}
    assert moments["created_at"] < moments["updated_at"]
    assert told == {
        "orderId": "ord-way",
        "userId": "usr_a",
        "sellerId": "seller:platform",
        "status": "completed",
        "amount": 1000.0,
        "amount_micros": 1000 * MICROS,
        "currency": "USD",
        "traded": 0.0,
        "traded_micros": 0,
        "feeVersion": told["feeVersion"],
        "buyerFee": 0.5,
        "sellerFee": 0.5,
        "source": "api",
        "billedBy": "gpubroker",
    }


def test_an_illegal_move_changes_nothing(service: Any) -> None:
    service("POST", "/orders/update", order("ord-illegal", "active"))
    before = service("GET", "/orders/ord-illegal").json()
    for body, words in [
        (order("ord-illegal", "pending"), ("active", "pending")),
        (order("ord-illegal", "active", amount=999), ("amount", "active")),
        (order("ord-illegal", "completed", userId="usr_b"), ("another user",)),
        (order("ord-illegal", "active", sellerId="seller:x"), ("sellerId",)),
    ]:
        refused(service("POST", "/orders/update", body), 409, *words)
    refused(service("POST", "/orders/update", order("ord-illegal", "dreaming")), 400, "status")
    refused(service("POST", "/orders/update", order("ord-illegal", currency="EUR")), 400, "currency")
    assert service("GET", "/orders/ord-illegal").json() == before


def test_a_transaction_belongs_to_an_order_of_its_user(service: Any) -> None:
    """(20)-(26)"""
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-none")), 404, "orderId", "ord-none")
    service("POST", "/orders/update", order("ord-a"))
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-a", userId="usr_b")), 409, "another user")
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-a", fees=9.99)), 400, "fees", "must be 10.0")
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-a", amount=900)), 400, "fees")
    refused(
        service("POST", "/transactions/update", trade("txn-a", "ord-a", amount=2000, fees=20)), 409, "amount", "1000.0"
    )
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-a", "settled")), 409, "settled", "settlement")
    refused(service("GET", "/transactions/txn-a"), 404, "txn-a")
    for status in ("pending", "completed", "completed"):
        assert service("POST", "/transactions/update", trade("txn-a", "ord-a", status)).status == 200
    refused(service("POST", "/transactions/update", trade("txn-a", "ord-a", "failed")), 409, "completed", "failed")
    told = service("GET", "/transactions/txn-a").json()
    figures = {name: told[f"{name}_micros"] for name in ("amount", "fees", "buyerFee", "sellerFee")}
    assert figures == {"amount": 10**9, "fees": 10**7, "buyerFee": 5 * 10**6, "sellerFee": 5 * 10**6}
    assert (told["buyerPays"], told["sellerGets"], told["status"]) == (1005.0, 995.0, "completed")
    assert service("GET", "/orders/ord-a").json()["traded"] == 1000.0


@pytest.mark.parametrize(
    ("amount", "fees"), [(1599.99, 15.9999), (1599.99, 16.0), (1001, 10.01), (1001, 10.0), (1001, 10.02), (0, 0)]
)
def test_fees_may_be_rounded_to_the_cent_each(service: Any, amount: float, fees: float) -> None:
    """(25): 0.5 % of 1599.99 is 7.99995; to the cent 8.00"""
    name = f"{amount}-{fees}"
    service("POST", "/orders/update", order(f"ord-{name}", amount=amount))
    reply = service("POST", "/transactions/update", trade(f"txn-{name}", f"ord-{name}", amount=amount, fees=fees))
    assert reply.status == 200, reply.text


@pytest.mark.parametrize("what", ["orders", "transactions"])
def test_lists_are_of_one_user_the_newest_first(service: Any, what: str) -> None:
    for number in range(3):
        user = f"usr_list_{what}"
        service("POST", "/orders/update", order(f"ord-{what}-{number}", userId=user))
        told = trade(f"txn-{what}-{number}", f"ord-{what}-{number}", userId=user)
        assert service("POST", "/transactions/update", told).status == 200
    first = service("GET", f"/{what}?{query(userId=f'usr_list_{what}', limit=2)}").json()
    then = service("GET", f"/{what}?{query(userId=f'usr_list_{what}', limit=2, cursor=first['next_cursor'])}").json()
    found = [one["orderId"] for one in first[what] + then[what]]
    assert sorted(found) == [f"ord-{what}-{number}" for number in range(3)]
    assert then["next_cursor"] is None
    moments = [one["created_at"] for one in first[what] + then[what]]
    assert moments == sorted(moments, reverse=True)
    elsewhere = service("GET", f"/{what}?{query(userId='usr_z', cursor=first['next_cursor'])}")
    refused(elsewhere, 400, "cursor")
    refused(service("GET", f"/{what}"), 400, "userId")
    assert service("GET", f"/{what}?userId=nobody").json() == {what: [], "next_cursor": None}


# ---------------------------------------------------------------- keys of idempotency


@pytest.mark.parametrize(("path", "body", "message"), MESSAGES)
def test_a_key_answers_a_repeated_request_and_refuses_another(service: Any, path: str, body: Any, message: str) -> None:
    first = service("POST", path, body, idempotency_key=f"key-{path}")
    again = service("POST", path, body, idempotency_key=f"key-{path}")
    assert (first.status, first.json()) == (again.status, again.json()) == (200, {"success": True, "message": message})
    field = "eventType" if "eventType" in body else "clusterId" if "clusterId" in body else "orderId"
    other = body | ({"name": "Two"} if path == "/clusters" else {field: "another"})
    refused(service("POST", path, other, idempotency_key=f"key-{path}"), 400, "Idempotency-Key")


def test_a_key_still_answers_when_the_order_has_gone_on(service: Any) -> None:
    told = order("ord-key")
    assert service("POST", "/orders/update", told, idempotency_key="key-order").status == 200
    assert service("POST", "/orders/update", order("ord-key", "completed")).status == 200
    assert service("POST", "/orders/update", told, idempotency_key="key-order").status == 200
    assert service("GET", "/orders/ord-key").json()["status"] == "completed"


# ---------------------------------------------------------------- clusters


def test_a_cluster_is_registered_changed_listed_and_removed(service: Any) -> None:
    """(46)-(54)"""
    assert service("POST", "/clusters", cluster("cl-life")).status == 200
    before = _cluster(service, "cl-life")
    assert set(before) == {"id", "name", "status", "endpoint", "region", "created_at", "updated_at"}
    assert before["status"] == "active"
    assert service("POST", "/clusters", cluster("cl-life", name="Two")).status == 200
    after = _cluster(service, "cl-life")
    assert (after["name"], after["created_at"]) == ("Two", before["created_at"])
    assert after["updated_at"] > before["updated_at"]
    assert set(service("GET", "/clusters").json()) == {"clusters"}
    gone = service("DELETE", "/clusters/cl-life")
    assert (gone.status, gone.json()["success"]) == (200, True)
    assert "cl-life" not in [one["id"] for one in service("GET", "/clusters").json()["clusters"]]
    refused(service("DELETE", "/clusters/cl-life"), 404, "cl-life")
    for number in range(2):
        service("POST", "/clusters", cluster(f"cl-page-{number}"))
    assert set(service("GET", "/clusters?limit=1").json()) == {"clusters", "next_cursor"}


def _cluster(service: Any, cluster_id: str) -> dict[str, Any]:
    (found,) = [one for one in service("GET", "/clusters").json()["clusters"] if one["id"] == cluster_id]
    return dict(found)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://one.example.com",
        "https://10.0.0.5:6443",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]",
        "https://user:word@one.example.com",
        "https://one.example.com:22",
        "ftp://one.example.com",
        "one.example.com",
        "https://0x7f000001/",
        "",
    ],
)
def test_an_endpoint_that_may_not_be_called_is_refused(service: Any, endpoint: str) -> None:
    refused(service("POST", "/clusters", cluster("cl-bad", endpoint=endpoint)), 400, "endpoint")
    assert "cl-bad" not in [one["id"] for one in service("GET", "/clusters").json()["clusters"]]


def test_on_this_machine_a_cluster_may_be_here(service: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpubroker.composition import management

    assert service("POST", "/clusters", cluster("cl-here", endpoint="http://127.0.0.1:9000")).status == 200
    monkeypatch.setenv("ENVIRONMENT", "cloud")
    management.inventory_desk.cache_clear()
    refused(service("POST", "/clusters", cluster("cl-here", endpoint="http://127.0.0.1:9000")), 400, "endpoint")
    management.inventory_desk.cache_clear()


# ---------------------------------------------------------------- what the edge says


def test_too_many_requests_and_faults_have_the_form_too(
    service: Any, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(55)"""
    from gpubroker.composition import management
    from gpubroker.edge import rate_limits
    from gpubroker.edge.rate_limits import Decision

    class Nobody:
        def check(self, caller: object) -> Decision:
            return Decision(allowed=False, limit=10, remaining=0, reset_after_s=1.0, retry_after_s=0.4)

    with monkeypatch.context() as patch:
        patch.setattr(rate_limits, "limiter", Nobody)
        reply = service("GET", "/fees/config")
        refused(reply, 429)
        assert reply.headers["retry-after"] == "1"
        refused(service("GET", "/nowhere"), 429)
    with monkeypatch.context() as patch:
        patch.setattr(management, "fee_desk", lambda: 1 / 0)
        reply = service("GET", "/fees/config")
        assert reply.headers["x-request-id"] in refused(reply, 500)
    refused(service("POST", "/audit/log", "x" * 300_000), 413)
    refused(house.call("GET", f"{BASE}/fees/config", token="not.a.token"), 401)
