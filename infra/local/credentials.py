"""A ready caller of each role, made as anybody would make them: over the product's own API.

Only the first administrator comes from outside it, by the documented command (`python -m infra.admin`). Passwords,
keys and secrets are kept in `callers.json` beside the engine's data, so that a restart finds the same callers.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.local.trouble import Trouble

DOMAIN = "gpubroker.test"
PATIENCE = 10
PLANS = {"free": "free", "pro": "pro", "enterprise": "enterprise", "agent-owner": "pro"}
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

# What renting is paid from, USD: as much as the caps of each plan would let be committed at once.
MONEY = {"free": 100, "pro": 10_000, "enterprise": 1_000_000, "agent-owner": 10_000}

Kept = dict[str, dict[str, str]]
CreateAdmin = Callable[[str, str], None]


@dataclass(frozen=True)
class AdminCommand:
    """Makes the first administrator: `python -m infra.admin create-admin`, against the local engine."""

    root: Path
    variables: dict[str, str]

    def __call__(self, email: str, password: str) -> None:
        command = [sys.executable, "-m", "infra.admin", "create-admin", "--email", email, "--password-stdin"]
        done = subprocess.run(
            command, input=password, env=self.variables, cwd=self.root, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise Trouble(f"The first administrator could not be made: {last[0]}", f"Try it: {' '.join(command[1:])}")


class Callers:
    """Makes the callers, or logs in those that an earlier start made."""

    def __init__(self, base_url: str, keep: Callable[[Kept], None], kept: Kept, create_admin: CreateAdmin) -> None:
        self._base_url = base_url
        self._keep = keep
        self._kept = kept
        self._create_admin = create_admin

    def ready(self) -> dict[str, dict[str, str]]:
        """Each role's `user_id`, `token` and `api_key`. Raises Trouble naming the call that failed."""
        with httpx.Client(base_url=self._base_url, timeout=30, trust_env=False) as http:
            api = _Api(http)
            if not self._still_known(api):
                self._kept = self._make(api)
                self._keep(self._kept)
            with ThreadPoolExecutor(max_workers=4) as together:
                tokens = dict(zip(self._kept, together.map(lambda who: self._token(api, who), self._kept), strict=True))
                list(together.map(lambda role: self._fund(api, tokens["admin"], role), MONEY))
            return {
                role: {"user_id": mine["user_id"], "token": tokens[role], "api_key": mine["api_key"]}
                for role, mine in self._kept.items()
                if role != "agent-owner"
            }

    def _still_known(self, api: _Api) -> bool:
        admin = self._kept.get("admin")
        return bool(admin) and api.post("/api/v2/auth/login", _login(admin), allow=401) is not None

    def _make(self, api: _Api) -> Kept:
        people = {role: _person(role) for role in ("admin", *PLANS)}
        admin = people["admin"]
        self._create_admin(admin["email"], admin["password"])
        with ThreadPoolExecutor(max_workers=4) as together:
            list(together.map(lambda role: api.post("/api/v2/auth/register", _login(people[role])), PLANS))
            for role, tokens in zip(people, together.map(lambda p: self._log_in(api, p), people.values()), strict=True):
                people[role] |= {"user_id": tokens["user_id"], "token": tokens["access_token"]}
            list(together.map(lambda role: self._plan(api, admin, people[role], PLANS[role]), PLANS))
            for role, key in zip(people, together.map(lambda p: self._key(api, p), people.values()), strict=True):
                people[role]["api_key"] = key
        kept: Kept = {role: {k: v for k, v in person.items() if k != "token"} for role, person in people.items()}
        kept["service"] = self._account(api, admin, "service", SERVICE_SCOPES, owner=None)
        kept["agent"] = self._account(api, admin, "agent", AGENT_SCOPES, owner=people["agent-owner"]["user_id"])
        return kept

    def _token(self, api: _Api, role: str) -> str:
        mine = self._kept[role]
        if "service_id" in mine:
            given = {"service_id": mine["service_id"], "secret": mine["api_key"]}
            return str(api.post("/api/v2/auth/service-token", given)["access_token"])
        return str(self._log_in(api, mine)["access_token"])

    def _log_in(self, api: _Api, person: dict[str, str]) -> Any:
        return api.post("/api/v2/auth/login", _login(person))

    def _plan(self, api: _Api, admin: dict[str, str], person: dict[str, str], plan: str) -> None:
        api.put(f"/api/v2/admin/users/{person['user_id']}/plan", {"plan": plan}, token=admin["token"])

    def _fund(self, api: _Api, admin: str, role: str) -> None:
        """Money, by an administrator. The key acts once for ever, so the next start gives nothing again."""
        gift = {"amount": MONEY[role], "reason": "The local cloud's callers begin with money."}
        path = f"/api/v1/accounts/{self._kept[role]['user_id']}/credit"
        api.post(path, gift, token=admin, key="local-cloud")

    def _key(self, api: _Api, person: dict[str, str]) -> str:
        return str(api.post("/api/v2/auth/api-keys", {"name": "local cloud"}, token=person["token"])["api_key"])

    def _account(
        self, api: _Api, admin: dict[str, str], kind: str, scopes: list[str], *, owner: str | None
    ) -> dict[str, str]:
        service_id = f"local-{kind}-{secrets.token_hex(3)}"
        wanted = {"service_id": service_id, "kind": kind, "scopes": scopes} | ({"owner_id": owner} if owner else {})
        made = api.post("/api/v2/auth/service-accounts", wanted, token=admin["token"])
        return {"service_id": service_id, "user_id": owner or service_id, "api_key": made["secret"]}


class _Api:
    """The product's API, with failures as sentences."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def post(self, path: str, body: dict[str, Any], *, token: str = "", allow: int = 0, key: str = "") -> Any:
        return self._send("POST", path, body, token, allow, key)

    def put(self, path: str, body: dict[str, Any], *, token: str) -> Any:
        return self._send("PUT", path, body, token, 0, "")

    def _send(self, method: str, path: str, body: dict[str, Any], token: str, allow: int, key: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        for _ in range(PATIENCE):
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                raise Trouble(f"{method} {path} got no answer ({error!r}).", "See .local/logs/engine.log.") from error
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            # All of this comes from one address without credentials: the limits of the free plan hold for it, too.
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        if answer.status_code == allow:
            return None
        if not answer.is_success:
            raise Trouble(f"{method} {path} answered {answer.status_code}: {answer.text[:400]}", "See .local/logs.")
        return answer.json()


def read(path: Path) -> Kept:
    """What an earlier start kept, or nothing."""
    kept: Kept = json.loads(path.read_text()) if path.exists() else {}
    return kept


def _person(role: str) -> dict[str, str]:
    return {"email": f"{role}-{secrets.token_hex(3)}@{DOMAIN}", "password": secrets.token_urlsafe(18)}


def _login(person: dict[str, str] | None) -> dict[str, str]:
    return {"email": person["email"], "password": person["password"]} if person else {}
