"""Every route for every kind of caller: exactly whom authorisation.txt lets in is let in. # 201, 204, 333-345"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gpubroker.delivery.notifications.inbox import Inbox
from gpubroker.delivery.notifications.notice import Kind, Notice
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import utc_now
from gpubroker.management.settlement.payouts.file import opened
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.usage.event import METRICS, Usage
from gpubroker.usage.hour import Added, Hour, hour_of
from gpubroker.usage.hours import StoredHours
from infra.openapi import endpoints
from tests.contract.billing.things import billed
from tests.contract.callers import KINDS, PASSWORD, Callers, Person, somebody
from tests.contract.house import House, Reply
from tests.contract.market import OFFER_IDS

TABLE = Path(__file__).with_name("authorisation.txt")
Route = tuple[str, str]


def read_table() -> dict[Route, dict[str, str]]:
    """(method, path) -> kind of caller -> what happens."""
    lines = [line.split() for line in TABLE.read_text(encoding="utf-8").splitlines()]
    rows = [words for words in lines if words and words[0] != "#"]
    assert all(len(words) == 2 + len(KINDS) for words in rows), "a line has a column too few or too many"
    return {(method, path): dict(zip(KINDS, rest, strict=True)) for method, path, *rest in rows}


EXPECTED = read_table()


@dataclass
class Things:
    """What each kind of caller has, to be asked for in paths; `other` asks for what is free's."""

    rentals: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    alerts: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    notifications: dict[str, str] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    invoices: dict[str, str] = field(default_factory=dict)
    payments: dict[str, str] = field(default_factory=dict)
    payment_methods: dict[str, str] = field(default_factory=dict)
    deposits: dict[str, str] = field(default_factory=dict)
    withdrawals: dict[str, str] = field(default_factory=dict)
    organizations: dict[str, str] = field(default_factory=dict)
    transfer_id: str = ""
    hold_id: str = ""
    member_id: str = ""
    user_id: str = ""
    service_id: str = "scratch"
    webhook_id: str = ""
    threshold_id: str = ""
    delivery_id: str = ""

    def of(self, kind: str, name: str) -> str:
        mine = {
            "rental_id": self.rentals,
            "key_id": self.keys,
            "alert_id": self.alerts,
            "device_id": self.devices,
            "notification_id": self.notifications,
            "instance_id": self.instances,
            "cluster_id": self.clusters,
            "account_id": self.accounts,
            "invoice_id": self.invoices,
            "payment_id": self.payments,
            "payment_method_id": self.payment_methods,
            "deposit_id": self.deposits,
            "withdrawal_id": self.withdrawals,
            "org_id": self.organizations,
        }.get(name)
        if mine is not None:
            return mine.get(kind) or mine.get("free") or next(iter(mine.values()))
        fixed = {
            "name": "style.css",
            "provider": "vastai",
            "offer_id": OFFER_IDS[0],
            "token": "no-token-of-ours",
            "user_id": self.user_id,
            "member_id": self.member_id,
            "transfer_id": self.transfer_id,
            "hold_id": self.hold_id,
            "service_id": self.service_id,
            "webhook_id": self.webhook_id,
            "threshold_id": self.threshold_id,
            "delivery_id": self.delivery_id,
            "order_id": ORDER["orderId"],
            "transaction_id": "txn-1",
            "seller": "seller:acme",
            "payout_id": "pay_1",
            "file_id": "pof_1",
            "plan_id": "standard",
            "line": "1",
            "event_id": "evt-of-nobody",
            "version": "1",
            "code": "NOBODYS",
            "discount_id": "dsc_00000000000000000000000000",
            "credit_id": "crd_00000000000000000000000000",
        }
        return fixed[name]


# Bodies of what changes somebody's thing, so that the thing is looked for; all others are sent `{}`, which is refused
# with 422 after the caller was let in, and changes nothing.
BODIES: dict[Route, Any] = {
    ("POST", "/api/v2/rentals/{rental_id}/scale"): {"action": "add", "count": 1},
    ("PATCH", "/api/v2/alerts/{alert_id}"): {"paused": True},
    ("PUT", "/api/v2/admin/users/{user_id}/plan"): {"plan": "free"},
    ("PATCH", "/api/v2/webhooks/{webhook_id}"): {"enabled": True},
    ("POST", "/api/v2/webhooks/{webhook_id}/replay"): {"since": "2026-01-01T00:00:00Z"},
    ("POST", "/api/v2/auth/password/change"): {"current_password": PASSWORD, "new_password": f"{PASSWORD}, again"},
}
QUERIES: dict[Route, str] = {
    ("GET", "/api/v2/admin/users"): "?email=free@example.com",
    ("GET", "/api/v1/billing/usage-events/{event_id}"): "?instance_id=i-1&hour=2026-10-10T12:00:00Z",
}
BODIES |= {
    ("PUT", "/api/v1/accounts/{account_id}/budget"): {"budget": None},
    ("POST", "/api/v1/accounts/{account_id}/deposits"): {"amount": 1},
    ("POST", "/api/v1/accounts/{account_id}/withdrawals"): {"amount": 1, "destination": "a bank"},
    ("PATCH", "/api/v1/organizations/{org_id}"): {"name": "Another"},
    ("POST", "/api/v1/organizations/{org_id}/members"): {"user_id": "usr_01J00000000000000000000000"},
    ("PATCH", "/api/v1/organizations/{org_id}/members/{member_id}"): {"role": "viewer"},
}
ORDER: dict[str, Any] = {"orderId": "ord-1", "userId": "usr_1", "status": "pending", "amount": 10}


@pytest.fixture(scope="module")
def things(house: House, callers: Callers) -> Things:
    """A rental and a key for everybody who may have one."""
    # Administrators change a user of their own: whose plan changes has to log in again, half a minute later at most.
    found = Things(user_id=somebody(house, "changed"))
    found.accounts = {
        kind: person.tenant for kind, person in callers.items() if kind not in ("anonymous", "other", "service")
    }
    for kind in ("free", "pro", "enterprise", "agent", "admin"):
        wanted = {"offer_id": OFFER_IDS[0], "duration_hours": 1}
        found.rentals[kind] = _made(house, "/api/v2/rentals", wanted, callers[kind])["rental_id"]
    for kind in ("free", "pro", "enterprise", "admin"):
        found.keys[kind] = _made(house, "/api/v2/auth/api-keys", {"name": "mine"}, callers[kind])["key_id"]
    wanted_hook = {"url": "https://93.184.216.34/hook", "events": ["price_change"]}
    found.webhook_id = _made(house, "/api/v2/webhooks", wanted_hook, callers["enterprise"])["webhook_id"]
    test = f"/api/v2/webhooks/{found.webhook_id}/test"
    found.delivery_id = _made(house, test, None, callers["enterprise"])["delivery_id"]
    for kind in ("free", "pro", "enterprise", "admin"):
        alert, device = {"gpu_type": "H100", "max_price": 1}, {"endpoint": f"https://{kind}.example.com/push"}
        found.alerts[kind] = _made(house, "/api/v2/alerts", alert, callers[kind])["alert_id"]
        found.devices[kind] = _made(house, "/api/v2/notifications/devices", device, callers[kind])["device_id"]
        found.notifications[kind] = notified(callers[kind].tenant)
    for kind in ("free", "pro", "enterprise", "admin"):
        one = billed(callers[kind].tenant)
        found.invoices[kind], found.payments[kind] = one.invoice_id, one.payment_id
        found.payment_methods[kind] = one.payment_method_id
        found.instances[kind] = metered(callers[kind].tenant)
    found.instances["agent"] = metered(callers["agent"].tenant)
    usage = {"resource_type": "storage", "threshold_type": "absolute", "threshold_value": 500, "units": "GB"}
    threshold = usage | {"action": "log", "user_id": "*"}
    found.threshold_id = _made(house, "/api/v1/usage/thresholds", threshold, callers["admin"])["threshold_id"]
    integration, staff = "/api/management/integration", callers["service"]
    _made(house, f"{integration}/orders/update", ORDER, staff)
    trade = {**ORDER, "transactionId": "txn-1", "fees": 0.1, "status": "completed"}
    _made(house, f"{integration}/transactions/update", trade, staff)
    _made(house, f"{integration}/settlement/execute", {"transactionId": "txn-1"}, staff)
    BankFiles().open(opened("pof_1", utc_now()))
    for kind in ("service", "admin"):
        found.clusters[kind] = f"of-{kind}"
        cluster = {"id": f"of-{kind}", "name": "one", "endpoint": "https://one.example.com", "region": "eu"}
        _made(house, f"{integration}/clusters", cluster, staff)
    scratch = {"service_id": "scratch", "kind": "service", "scopes": ["offers:read"]}
    _made(house, "/api/v2/auth/service-accounts", scratch, callers["admin"])
    _money(house, callers, found)
    return found


def _money(house: House, callers: Callers, found: Things) -> None:
    """An account with money, an organisation with a member, a deposit and a withdrawal for everybody who may."""
    found.member_id = callers["agent"].tenant
    for kind in ("free", "pro", "enterprise", "agent", "admin"):
        gift, path = {"amount": 100, "reason": "to begin with"}, f"/api/v1/accounts/{found.accounts[kind]}"
        found.transfer_id = _made(house, f"{path}/credit", gift, callers["admin"])["transfer_id"]
    for kind in ("free", "pro", "enterprise", "admin", "agent"):
        who = callers["admin" if kind == "agent" else kind]  # what is an agent's, its owner would ask for
        path = f"/api/v1/accounts/{found.accounts[kind]}"
        found.deposits[kind] = _made(house, f"{path}/deposits", {"amount": 1}, who)["deposit_id"]
        wanted: dict[str, Any] = {"amount": 1, "destination": "a bank"}
        found.withdrawals[kind] = _made(house, f"{path}/withdrawals", wanted, who)["withdrawal_id"]
    for kind in ("free", "pro", "enterprise", "admin"):
        org_id = _made(house, "/api/v1/organizations", {"name": kind}, callers[kind])["org_id"]
        found.organizations[kind] = org_id
        _made(house, f"/api/v1/organizations/{org_id}/members", {"user_id": found.member_id}, callers[kind])
    found.organizations["agent"] = found.organizations["free"]  # its owner is a member there
    wanted = {"account_id": found.accounts["pro"], "amount": 1}
    found.hold_id = _made(house, "/internal/v1/ledger/holds", wanted, callers["service"])["hold_id"]


def notified(user_id: str) -> str:
    """A notification in a user's inbox, as the function behind the queue would put it there; its id."""
    inbox, notice = Inbox(), Notice(new_id("evt"), user_id, Kind.PRICE_ALERT, "An H100", "It is cheap.")
    inbox.add(notice, now=utc_now())
    return inbox.newest_of(user_id, 1, now=utc_now())[0].notification_id


def metered(user_id: str) -> str:
    """An instance of a user that has told what it uses; its id."""
    instance_id, now_ms = new_id("ren"), int(utc_now().timestamp() * 1000)
    event = Usage(instance_id, user_id, None, now_ms - 60_000, 30_000, 0, None, (30_000_000,) * len(METRICS))
    hour_ms = hour_of(event.start_ms)
    hour = Hour(hour_ms)
    offset, columns = [event.start_ms - hour_ms], [[value] for value in event.metrics]
    hour.add(["", now_ms, offset, 30_000, 0, None, columns], Added())
    StoredHours().write({(user_id, instance_id, hour_ms): hour.stored()})
    return instance_id


def _made(house: House, path: str, body: Any, caller: Person) -> Any:
    reply = house.call("POST", path, token=caller.token, body=body, headers={"idempotency-key": new_id("key")})
    assert reply.status < 300, f"{path}: {reply.status} {reply.text}"
    return reply.json()


def test_every_route_stands_in_the_table_and_nothing_else() -> None:
    assert set(EXPECTED) == {(endpoint.method, endpoint.path) for endpoint in endpoints()}


def test_every_route_lets_in_whom_the_table_says(house: House, callers: Callers, things: Things) -> None:
    wrong = []
    for (method, path), by_kind in EXPECTED.items():
        for kind, expected in by_kind.items():
            reply = _ask(house, method, path, kind, callers[kind], things)
            if _class(reply) != expected:
                wrong.append(f"{method} {path} {kind}: {reply.status} instead of {expected}: {reply.text[:200]}")
    assert not wrong, "\n".join(wrong)


def _ask(house: House, method: str, path: str, kind: str, caller: Person, things: Things) -> Reply:
    if path.startswith("/api/v1/usage/users/"):
        path = path.replace("{user_id}", things.accounts.get(kind, things.accounts["free"]))
    target = re.sub(r"\{(\w+)\}", lambda match: things.of(kind, match[1]), path) + QUERIES.get((method, path), "")
    body = None if method in ("GET", "DELETE") else BODIES.get((method, path), {})
    headers = {} if method == "GET" else {"idempotency-key": new_id("key")}
    return house.call(method, target, token=caller.token, body=body, headers=headers)


def _class(reply: Reply) -> str:
    if reply.status in (401, 403, 404):
        return str(reply.status)
    return "ok" if reply.status < 500 else f"{reply.status}"


@pytest.mark.parametrize("credentials", ["not.a.token", "gpb_U01ARZ3NDEKTSV4RRFFQ69G5FAVxxxxxxxxxxxx", "e30.e30."])
def test_wrong_credentials_are_refused_even_where_none_are_needed(house: House, credentials: str) -> None:
    reply = house.call("GET", "/api/v2/providers", token=credentials)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


def test_credentials_are_looked_at_before_the_input(house: House) -> None:
    """Somebody without the right learns nothing of what a right request would be (DESIGN §3)."""
    for body in ("{not json", '{"unknown": 1}', "x" * 300_000):
        assert house.call("POST", "/api/v2/rentals", body=body).status == 401


@pytest.mark.parametrize("header", ["x-plan", "X-Plan"])
def test_a_plan_in_a_header_is_no_plan(house: House, callers: Callers, header: str) -> None:  # R4 (204)
    free = callers["free"].token
    plain = house.call("GET", "/api/v2/providers?sort=score", token=free)
    claimed = house.call("GET", "/api/v2/providers?sort=score", token=free, headers={header: "enterprise"})
    assert plain.status == claimed.status == 403
