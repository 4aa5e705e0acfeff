"""A forgotten password."""

import re
from datetime import timedelta

import pytest

from gpubroker.identity.store.ring import known_keys
from gpubroker.identity.use_cases import recovery
from gpubroker.identity.views import PasswordReset
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.time import utc_now

NEW = "an even longer sentence"


@pytest.fixture
def reset_token(api, outbox, deliver, mailbox):
    def ask(email="ada@example.com"):
        assert api("request_password_reset", {"email": email}).status == 202
        fact = [fact for fact in outbox() if fact["type"] == "PasswordResetRequested"][-1]
        assert deliver(fact)["outcome"] == "sent"
        return re.search(r"^(ey\S+)$", mailbox()[-1]["text"], re.MULTILINE)[1]

    return ask


def test_a_new_password_is_set_with_the_mailed_token_and_ends_all_sessions(api, person, reset_token, outbox):
    ada = person()
    assert api("reset_password", {"token": reset_token(), "password": NEW}).status == 204
    assert api("get_me", token=ada.token).status == 401
    assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 401
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 401
    assert api("log_in", {"email": ada.email, "password": NEW}).status == 200
    assert {"PasswordChanged", "SessionsEnded"} <= {fact["type"] for fact in outbox()}


def test_the_token_works_once(api, person, reset_token):
    person()
    token = reset_token()
    assert api("reset_password", {"token": token, "password": NEW}).status == 204
    again = api("reset_password", {"token": token, "password": "yet another sentence"})
    assert (again.status, again.body["errors"][0]["field"]) == (422, "token")


def test_only_the_newest_token_works(api, person, reset_token):
    person()
    old, new = reset_token(), reset_token()
    assert api("reset_password", {"token": old, "password": NEW}).status == 422
    assert api("reset_password", {"token": new, "password": NEW}).status == 204


def test_the_token_works_for_an_hour(person, reset_token):
    person()
    given = PasswordReset(token=reset_token(), password=NEW)
    with pytest.raises(Invalid):
        recovery.reset_password(given, keys=known_keys(), now=utc_now() + timedelta(seconds=3601))


def test_a_weak_password_is_refused_and_does_not_spend_the_token(api, person, reset_token):
    person()
    token = reset_token()
    refused = api("reset_password", {"token": token, "password": "password"})
    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "password")
    assert api("reset_password", {"token": token, "password": NEW}).status == 204


def test_of_two_uses_of_one_token_at_once_one_wins(api, person, reset_token, monkeypatch):
    from gpubroker.identity import passwords

    ada = person()
    token, real, rivals = reset_token(), passwords.hashed, ["the rival's own sentence"]

    def hashed(text):
        if rivals:
            assert api("reset_password", {"token": token, "password": rivals.pop()}).status == 204
        return real(text)

    monkeypatch.setattr(passwords, "hashed", hashed)
    assert api("reset_password", {"token": token, "password": NEW}).status == 422
    assert api("log_in", {"email": ada.email, "password": NEW}).status == 401


def test_asking_tells_nobody_who_has_an_account(api, person, aws_calls):
    ada = person()
    aws_calls.clear()
    known = api("request_password_reset", {"email": ada.email})
    calls, aws_calls[:] = list(aws_calls), []
    unknown = api("request_password_reset", {"email": "nobody@example.com"})
    assert (known.status, known.body) == (unknown.status, unknown.body) == (202, known.body)
    assert calls == aws_calls == ["TransactWriteItems", "GetItem", "TransactWriteItems"]


def test_asking_changes_nothing_yet(api, person):
    ada = person()
    api("request_password_reset", {"email": ada.email})
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 200
    assert api("get_me", token=ada.token).status == 200


def test_a_token_of_another_use_resets_nothing(api, person):
    ada = person()
    for token in (ada.token, ada.refresh_token, "a.b.c"):
        assert api("reset_password", {"token": token, "password": NEW}).status == 422


def test_who_set_up_an_account_under_somebody_elses_address_loses_it_to_its_owner(api, person, reset_token, outbox):
    """The squatter never verified the address; the owner's reset ends the squatter's sessions and keys."""
    squatter = person()
    key = api("create_api_key", {}, token=squatter.token).body["api_key"]
    assert api("reset_password", {"token": reset_token(), "password": NEW}).status == 204
    assert api("get_me", key=key).status == 401
    owner = api("log_in", {"email": squatter.email, "password": NEW}).body["access_token"]
    assert api("get_me", token=owner).body["email_verified"] is True
    assert [item["status"] for item in api("list_api_keys", token=owner).body["items"]] == ["revoked"]
    assert "ApiKeyRevoked" in [fact["type"] for fact in outbox()]


def test_the_keys_of_a_verified_account_survive_a_reset(api, person, reset_token):
    ada = person()
    assert api("reset_password", {"token": reset_token(), "password": NEW}).status == 204
    token = api("log_in", {"email": ada.email, "password": NEW}).body["access_token"]
    key = api("create_api_key", {}, token=token).body["api_key"]
    assert api("reset_password", {"token": reset_token(), "password": ada.password}).status == 204
    assert api("get_me", key=key).status == 200
