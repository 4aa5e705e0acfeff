"""A caller of each kind, made as anybody would make them: over the API, but for the first administrator."""

from dataclasses import dataclass
from typing import Any

from gpubroker.identity.use_cases import administration
from gpubroker.kernel.time import utc_now
from tests.contract.house import House

PASSWORD = "a long and quiet sentence"
KINDS = ("anonymous", "other", "free", "pro", "enterprise", "service", "agent", "admin")
SERVICE_SCOPES = [
    "offers:read",
    "rentals:read",
    "accounts:read",
    "accounts:deduct",
    "usage:read",
    "usage:write",
    "internal:*",
]
AGENT_SCOPES = ["offers:read", "rentals:read", "rentals:write", "favorites:write", "accounts:read", "usage:read"]


@dataclass(frozen=True)
class Person:
    """token is None for the anonymous; tenant is whose things the caller sees."""

    token: str | None
    tenant: str = ""


Callers = dict[str, Person]


def _made(house: House, method: str, path: str, body: Any, *, token: str | None = None, key: str = "") -> Any:
    reply = house.call(method, path, token=token, body=body, headers={"idempotency-key": key} if key else {})
    assert reply.status < 300, f"{method} {path}: {reply.status} {reply.text}"
    return reply.json()


def _login(house: House, email: str) -> Person:
    tokens = _made(house, "POST", "/api/v2/auth/login", {"email": email, "password": PASSWORD})
    return Person(tokens["access_token"], tokens["user_id"])


def somebody(house: House, name: str) -> str:
    """One more user, of the free plan; their id."""
    email = f"{name}@example.com"
    _made(house, "POST", "/api/v2/auth/register", {"email": email, "password": PASSWORD})
    return _login(house, email).tenant


def _user(house: House, kind: str, admin: str, plan: str) -> Person:
    email = f"{kind}@example.com"
    _made(house, "POST", "/api/v2/auth/register", {"email": email, "password": PASSWORD})
    person = _login(house, email)
    if plan == "free":
        return person
    _made(house, "PUT", f"/api/v2/admin/users/{person.tenant}/plan", {"plan": plan}, token=admin)
    return _login(house, email)  # the plan stands in the token


def _account(house: House, kind: str, admin: str, wanted: dict[str, Any]) -> str:
    account = {"service_id": f"the-{kind}", "kind": kind, **wanted}
    secret = _made(house, "POST", "/api/v2/auth/service-accounts", account, token=admin)["secret"]
    given = {"service_id": account["service_id"], "secret": secret}
    return str(_made(house, "POST", "/api/v2/auth/service-token", given)["access_token"])


def everyone(house: House) -> Callers:
    administration.create_admin("admin@example.com", PASSWORD, name=None, now=utc_now())
    admin = _login(house, "admin@example.com")
    assert admin.token
    plans = {"other": "free", "free": "free", "pro": "pro", "enterprise": "enterprise", "owner": "pro"}
    people = {kind: _user(house, kind, admin.token, plan) for kind, plan in plans.items()}
    for person in (admin, *(person for kind, person in people.items() if kind != "other")):
        gift = {"amount": 1000, "reason": "what is rented is paid for"}
        _made(house, "POST", f"/api/v1/accounts/{person.tenant}/credit", gift, token=admin.token, key="begin")
    owner = people.pop("owner").tenant
    service = _account(house, "service", admin.token, {"scopes": SERVICE_SCOPES})
    agent = _account(house, "agent", admin.token, {"scopes": AGENT_SCOPES, "owner_id": owner})
    return {
        "anonymous": Person(None),
        **people,
        "service": Person(service, "the-service"),
        "agent": Person(agent, owner),
        "admin": admin,
    }
