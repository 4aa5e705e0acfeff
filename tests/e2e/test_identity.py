"""An account from registration to a forgotten password, with the mails that the local cloud shows."""

import re
import time
from typing import Any

import httpx
import pytest

from infra.local.cloud import LocalCloud
from tests.e2e.callers import eventually

PASSWORD, NEW = "a long and quiet sentence", "an even longer sentence"
MAIL_SECONDS = 20.0


@pytest.fixture
def http(cloud: LocalCloud) -> Any:
    with httpx.Client(base_url=cloud.environment["base_url"], timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def mail(cloud: LocalCloud) -> Any:
    """The newest mail to an address with this subject, once it is there."""

    def inbox(address: str, subject: str) -> list[str]:
        answer = httpx.get(f"{cloud.environment['aws_endpoint_url']}/_ministack/ses/messages", trust_env=False)
        mails = [one for account in answer.json()["messages"].values() for one in account]
        return [one["BodyText"] for one in mails if address in one["To"] and subject in one["Subject"]]

    def wait(address: str, subject: str) -> str:
        return eventually(lambda: inbox(address, subject), bool, seconds=MAIL_SECONDS)[-1]

    return wait


def token_in(text: str) -> str:
    found = re.search(r"^(ey\S+)$", text, re.MULTILINE)
    assert found
    return found[1]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_an_account_from_registration_to_a_forgotten_password(http, mail):  # (266, 267)
    address = f"ada-{time.time_ns()}@example.com"
    login = {"email": address, "password": PASSWORD}
    assert http.post("/api/v2/auth/register", json=login).status_code == 202
    tokens = http.post("/api/v2/auth/login", json=login).json()
    me = http.get("/api/v2/auth/me", headers=bearer(tokens["access_token"])).json()
    assert (me["email"], me["plan"], me["email_verified"]) == (address, "free", False)

    token = token_in(mail(address, "Verify"))
    assert http.post("/api/v2/auth/email/verify", json={"token": token}).status_code == 204
    assert http.post("/api/v2/auth/email/verify", json={"token": token}).status_code == 422

    assert http.post("/api/v2/auth/password/forgot", json={"email": address}).status_code == 202
    reset = {"token": token_in(mail(address, "Reset")), "password": NEW}
    assert http.post("/api/v2/auth/password/reset", json=reset).status_code == 204
    mail(address, "was changed")
    assert http.post("/api/v2/auth/login", json=login).status_code == 401
    assert http.post("/api/v2/auth/login", json=login | {"password": NEW}).status_code == 200
    spent = http.post("/api/v2/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert spent.status_code == 401


def test_other_modules_are_told_whose_token_they_were_handed(cloud, http):  # (304, 305)
    callers = cloud.environment["credentials"]
    service = bearer(callers["service"]["token"])
    for role in ("free", "pro", "enterprise"):
        asked = {"token": callers[role]["token"]}
        told = http.post("/internal/v1/auth/validate-token", json=asked, headers=service).json()
        assert (told["valid"], told["user_id"], told["plan"]) == (True, callers[role]["user_id"], role)
        assert (
            http.post("/internal/v1/auth/validate-token", json=asked, headers=bearer(asked["token"])).status_code == 403
        )


def test_what_we_sign_is_read_with_the_published_keys(cloud, http):
    import jwt

    token = cloud.environment["credentials"]["pro"]["token"]
    keys = jwt.PyJWKSet.from_dict(http.get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="gpubroker-api", issuer="gpubroker")
    assert claims["plan"] in ("free", "pro")  # of the moment it was signed; what counts is the standing
