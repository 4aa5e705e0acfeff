"""People of the end-to-end tests: users with a verified address, and the mails that the local cloud sent them."""

import re
import time
from typing import Any

import httpx

from infra.local.cloud import LocalCloud
from tests.e2e.callers import eventually

PASSWORD = "a long and quiet sentence"


def mails_to(cloud: LocalCloud, address: str) -> list[dict[str, Any]]:
    """What was sent to an address."""
    answer = httpx.get(f"{cloud.environment['aws_endpoint_url']}/_ministack/ses/messages", trust_env=False)
    return [one for account in answer.json()["messages"].values() for one in account if address in one["To"]]


def somebody(cloud: LocalCloud, http: httpx.Client, name: str, *, seconds: float) -> tuple[str, str, dict[str, str]]:
    """A user with a verified address: their address, id and headers."""
    address = f"{name}-{time.time_ns()}@example.com"
    login = {"email": address, "password": PASSWORD}
    assert http.post("/api/v2/auth/register", json=login).status_code == 202
    letter = eventually(lambda: mails_to(cloud, address), bool, seconds=seconds)[-1]["BodyText"]
    token = re.search(r"^(ey\S+)$", letter, re.MULTILINE)
    assert token
    assert http.post("/api/v2/auth/email/verify", json={"token": token[1]}).status_code == 204
    tokens = http.post("/api/v2/auth/login", json=login).json()
    return address, tokens["user_id"], {"authorization": f"Bearer {tokens['access_token']}"}
