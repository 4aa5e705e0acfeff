"""AWS calls of each endpoint, counted: one call costs more than the whole framework (costs of the design)."""

import pytest

from gpubroker.composition import identity as composition
from gpubroker.identity.verify import Verifier


@pytest.fixture
def verifier(monkeypatch, identity):
    """One verifier for all requests, as in a warm function."""
    warm = Verifier()
    monkeypatch.setattr(composition, "verifier", lambda: warm)
    return warm


def test_a_known_credential_costs_no_call_and_a_new_one_a_single_read(api, verifier, person, aws_calls):
    ada = person()
    api("get_me", token=ada.token)
    aws_calls.clear()
    api("get_me", token=ada.token)
    assert aws_calls == ["GetItem"]  # the profile; nothing for the credential
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    aws_calls.clear()
    api("get_me", key=key)
    assert aws_calls == ["GetItem", "GetItem"]


def test_calls_of_each_errand_of_a_warm_function(api, verifier, person, admin, aws_calls):
    ada = person()
    for token in (ada.token, admin.token):
        api("get_me", token=token)
    made = api("create_api_key", {}, token=ada.token).body
    service = {"service_id": "kpi", "kind": "service", "scopes": ["internal:*"]}
    secret = api("create_service_account", service, token=admin.token).body["secret"]
    internal = api("issue_service_token", {"service_id": "kpi", "secret": secret}).body["access_token"]
    api("validate_token", {"token": ada.token}, token=internal)
    ada.refresh_token = api("refresh_tokens", {"refresh_token": ada.refresh_token}).body["refresh_token"]
    user, key_id = {"user_id": ada.user_id}, {"key_id": made["key_id"]}
    read, write, query = "GetItem", "TransactWriteItems", "Query"

    def calls(*arguments, **named):
        aws_calls.clear()
        reply = api(*arguments, **named)
        assert reply.status < 300, reply.body
        return list(aws_calls)

    login = {"email": ada.email, "password": ada.password}
    assert calls("register_user", login | {"email": "new@example.com"}) == [write, read, write]
    assert calls("log_in", login) == [write, read, read, write]
    assert calls("refresh_tokens", {"refresh_token": ada.refresh_token}) == [read, write]
    assert calls("create_api_key", {}, token=ada.token) == [write]
    assert calls("list_api_keys", token=ada.token) == [query]
    assert calls("delete_api_key", token=ada.token, path=key_id) == [read, write]
    assert calls("issue_service_token", {"service_id": "kpi", "secret": secret}) == [write, read, write]
    assert calls("validate_token", {"token": ada.token}, token=internal) == []
    assert calls("get_service_permissions", token=internal, path={"service_id": "kpi"}) == [read, read]
    assert calls("change_plan", {"plan": "pro"}, token=admin.token, path=user) == [read, write]
    assert calls("get_user", token=admin.token, path=user) == [read, read]
    assert calls("list_service_accounts", token=admin.token) == [query]
    assert calls("request_password_reset", {"email": ada.email}) == [write, read, write]
    assert calls("get_jwks") == [read]
    assert calls("log_out", token=ada.token)[-2:] == [read, write]


def test_a_garbage_token_costs_no_call(api, verifier, person, aws_calls):
    person()
    api("get_me", token="a.b.c")
    aws_calls.clear()
    for n in range(20):
        assert api("get_me", token=f"a.{n}.c").status == 401
        assert api("get_me", key=f"gpb_{n}").status == 401
    assert aws_calls == []
