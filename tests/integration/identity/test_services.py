"""Service and agent accounts and their long-lived tokens (Journey 4)."""

import pytest

from gpubroker.kernel.caller import Role


def problem(reply):
    return reply.status, reply.body["type"].partition("#")[2]


@pytest.fixture
def account(api, admin):
    def make(service_id="kpi", kind="service", scopes=("internal:*", "offers:read"), **more):
        body = {"service_id": service_id, "kind": kind, "scopes": list(scopes)} | more
        made = api("create_service_account", body, token=admin.token)
        assert made.status == 201, made.body
        return made.body

    return make


def test_a_service_exchanges_its_secret_for_a_long_lived_token(api, account):  # (282)
    secret = account()["secret"]
    reply = api("issue_service_token", {"service_id": "kpi", "secret": secret})
    assert reply.status == 200
    assert reply.body["expires_in"] == 90 * 86400
    me = api("get_me", token=reply.body["access_token"]).body
    assert (me["role"], me["subject"], me["user_id"]) == ("service", "kpi", "kpi")
    assert me["permissions"] == ["internal:*", "offers:read"]


def test_a_token_may_carry_fewer_scopes_and_never_more(api, account):  # R16.2 (309)
    secret = account()["secret"]
    body = {"service_id": "kpi", "secret": secret}
    less = api("issue_service_token", body | {"scopes": ["offers:read"]}).body["access_token"]
    assert api("get_me", token=less).body["permissions"] == ["offers:read"]
    assert api("validate_token", {"token": "x"}, token=less).status == 403
    more = api("issue_service_token", body | {"scopes": ["rentals:read"]})
    assert (more.status, more.body["errors"][0]["field"]) == (422, "scopes")


def test_an_agent_acts_for_its_owner(api, account, person):
    ada = person()
    secret = account("bot", "agent", ["offers:read", "rentals:write"], owner_id=ada.user_id)["secret"]
    token = api("issue_service_token", {"service_id": "bot", "secret": secret}).body["access_token"]
    me = api("get_me", token=token).body
    assert (me["role"], me["subject"], me["user_id"], me["plan"]) == ("agent", "bot", ada.user_id, "free")
    assert api("get_me", key=secret).body == me


def test_an_agent_has_its_owners_plan_and_ends_with_its_owner(api, account, person, admin):
    ada = person()
    secret = account("bot", "agent", ["offers:read"], owner_id=ada.user_id)["secret"]
    token = api("issue_service_token", {"service_id": "bot", "secret": secret}).body["access_token"]
    api("change_plan", {"plan": "pro"}, token=admin.token, path={"user_id": ada.user_id})
    assert api("get_me", token=token).body["plan"] == "pro"
    api("change_user_status", {"status": "disabled"}, token=admin.token, path={"user_id": ada.user_id})
    assert api("get_me", token=token).status == 401
    assert problem(api("issue_service_token", {"service_id": "bot", "secret": secret})) == (401, "wrong-credentials")


@pytest.mark.parametrize(
    ("service_id", "secret"),
    [("kpi", "gpb_wrong"), ("nobody", None), ("kpi", "x" * 256), ("KPI", None)],
)
def test_a_wrong_secret_and_an_unknown_account_are_answered_alike(api, account, service_id, secret):
    right = account()["secret"]
    reply = api("issue_service_token", {"service_id": service_id, "secret": secret or right})
    assert problem(reply) == (401, "wrong-credentials")


def test_the_secret_of_one_account_is_no_secret_of_another(api, account):
    account("kpi")
    other = account("billing")["secret"]
    assert api("issue_service_token", {"service_id": "kpi", "secret": other}).status == 401


def test_guessing_a_secret_is_throttled(api, account):
    right = account()["secret"]
    guesses = [api("issue_service_token", {"service_id": "kpi", "secret": f"guess {n}"}).status for n in range(11)]
    assert guesses == [401] * 10 + [429]
    refused = api("issue_service_token", {"service_id": "kpi", "secret": right})
    assert int(refused.headers["retry-after"]) >= 1


def test_a_new_secret_voids_the_old_one_and_its_tokens(api, account, admin, outbox):
    old = account()["secret"]
    token = api("issue_service_token", {"service_id": "kpi", "secret": old}).body["access_token"]
    rotated = api("rotate_service_secret", token=admin.token, path={"service_id": "kpi"})
    assert rotated.status == 201
    assert api("get_me", token=token).status == 401
    assert api("get_me", key=old).status == 401
    assert api("issue_service_token", {"service_id": "kpi", "secret": old}).status == 401
    assert api("issue_service_token", {"service_id": "kpi", "secret": rotated.body["secret"]}).status == 200
    assert outbox()[-1]["type"] == "ServiceSecretRotated"


def test_a_planned_rotation_lets_running_services_go_on(api, account, admin):
    old = account()["secret"]
    token = api("issue_service_token", {"service_id": "kpi", "secret": old}).body["access_token"]
    api("rotate_service_secret", token=admin.token, path={"service_id": "kpi"}, query={"revoke_tokens": "false"})
    assert api("get_me", token=token).status == 200
    assert api("get_me", key=old).status == 401


def test_a_revoked_account_is_over_and_its_id_is_never_used_again(api, account, admin, outbox):
    secret = account()["secret"]
    token = api("issue_service_token", {"service_id": "kpi", "secret": secret}).body["access_token"]
    for _ in range(2):
        assert api("delete_service_account", token=admin.token, path={"service_id": "kpi"}).status == 204
    assert api("get_me", token=token).status == 401
    assert api("get_me", key=secret).status == 401
    assert problem(api("rotate_service_secret", token=admin.token, path={"service_id": "kpi"})) == (
        409,
        "service-account-revoked",
    )
    again = {"service_id": "kpi", "kind": "service", "scopes": ["offers:read"]}
    assert problem(api("create_service_account", again, token=admin.token)) == (409, "service-id-taken")
    assert [fact["type"] for fact in outbox()].count("ServiceAccountRevoked") == 1


def test_the_list_shows_accounts_and_no_secrets(api, account, admin):
    made = [account(f"svc-{n}") for n in range(3)]
    api("delete_service_account", token=admin.token, path={"service_id": "svc-1"})
    first = api("list_service_accounts", token=admin.token, query={"limit": 2}).body
    second = api("list_service_accounts", token=admin.token, query={"limit": 2, "cursor": first["next_cursor"]}).body
    shown = first["items"] + second["items"]
    assert [(item["service_id"], item["status"]) for item in shown] == [
        ("svc-0", "active"),
        ("svc-1", "revoked"),
        ("svc-2", "active"),
    ]
    assert "secret" not in shown[0]
    assert [item["last_four"] for item in shown] == [item["last_four"] for item in made]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"service_id": "a b"}, "service_id"),
        ({"service_id": "../x"}, "service_id"),
        ({"service_id": "x"}, "service_id"),
        ({"kind": "admin"}, "kind"),
        ({"scopes": ["rentals:write"]}, "scopes"),
        ({"scopes": ["admin:*"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"kind": "agent", "scopes": ["offers:read"]}, "owner_id"),
        ({"kind": "agent", "scopes": ["offers:read"], "owner_id": "usr_nobody"}, "owner_id"),
        ({"kind": "agent", "scopes": ["internal:*"], "owner_id": "usr_nobody"}, "scopes"),
        ({"owner_id": "kpi"}, "owner_id"),
        ({"plan": "enterprise"}, "plan"),
    ],
)
def test_wrong_accounts_name_the_field(api, admin, body, wrong):
    base = {"service_id": "kpi", "kind": "service", "scopes": ["internal:*"]}
    reply = api("create_service_account", base | body, token=admin.token)
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, wrong)


def test_a_repeated_request_makes_one_account_and_shows_no_secret_again(api, admin):
    body = {"service_id": "kpi", "kind": "service", "scopes": ["internal:*"]}
    request = {"body": body, "token": admin.token, "headers": {"idempotency-key": "once"}}
    first, second = api("create_service_account", **request), api("create_service_account", **request)
    assert (first.status, second.status) == (201, 201)
    assert second.body == first.body | {"secret": None}


def test_a_repeated_rotation_rotates_once(api, account, admin):
    account()
    request = {"token": admin.token, "path": {"service_id": "kpi"}, "headers": {"idempotency-key": "once"}}
    first, second = api("rotate_service_secret", **request), api("rotate_service_secret", **request)
    assert second.body == first.body | {"secret": None}
    assert api("get_me", key=first.body["secret"]).status == 200


# ---------------------------------------------------------------- what other modules ask


@pytest.fixture
def internal(api, account):
    secret = account("gateway")["secret"]
    return api("issue_service_token", {"service_id": "gateway", "secret": secret}).body["access_token"]


def test_a_module_learns_whose_token_it_was_handed(api, person, internal):  # (304)
    ada = person()
    reply = api("validate_token", {"token": ada.token}, token=internal)
    assert reply.status == 200
    assert reply.body == {
        "valid": True,
        "user_id": ada.user_id,
        "subject": ada.user_id,
        "role": Role.USER,
        "plan": "free",
        "permissions": [
            "accounts:read",
            "accounts:write",
            "alerts:read",
            "alerts:write",
            "billing:read",
            "billing:write",
            "favorites:write",
            "integrations:manage",
            "keys:manage",
            "notifications:manage",
            "offers:read",
            "rentals:read",
            "rentals:write",
            "usage:read",
            "webhooks:read",
            "webhooks:write",
        ],
    }


def test_a_module_learns_whose_key_it_was_handed(api, person, internal):
    ada = person()
    key = api("create_api_key", {"scopes": ["offers:read"]}, token=ada.token).body["api_key"]
    body = api("validate_token", {"token": key}, token=internal).body
    assert (body["user_id"], body["permissions"]) == (ada.user_id, ["offers:read"])


def test_of_a_token_that_does_not_hold_nothing_is_said(api, person, internal):
    ada = person()
    api("log_out", token=ada.token)
    for token in (ada.token, ada.refresh_token, "a.b.c", "x"):
        assert api("validate_token", {"token": token}, token=internal).body == {
            "valid": False,
            "user_id": None,
            "subject": None,
            "role": None,
            "plan": None,
            "permissions": [],
        }


def test_a_module_learns_what_a_service_may_call_and_how_often(api, account, internal):  # (305)
    account("kpi", scopes=["offers:read"])
    body = api("get_service_permissions", token=internal, path={"service_id": "kpi"}).body
    assert body["rate_limits"] == {"requests_per_second": 1000}
    assert {"method": "POST", "path": "/api/v2/providers/query"} in body["allowed_endpoints"]
    assert not [endpoint for endpoint in body["allowed_endpoints"] if endpoint["path"].startswith("/internal")]


def test_an_agents_limits_are_its_owners_plan(api, account, person, internal):
    account("bot", "agent", ["offers:read"], owner_id=person().user_id)
    body = api("get_service_permissions", token=internal, path={"service_id": "bot"}).body
    assert (body["plan"], body["rate_limits"]) == ("free", {"requests_per_second": 10})


def test_a_revoked_service_may_nothing_and_an_unknown_one_is_not_there(api, account, admin, internal):
    account("kpi")
    api("delete_service_account", token=admin.token, path={"service_id": "kpi"})
    body = api("get_service_permissions", token=internal, path={"service_id": "kpi"}).body
    assert (body["status"], body["permissions"], body["allowed_endpoints"]) == ("revoked", [], [])
    assert api("get_service_permissions", token=internal, path={"service_id": "nobody"}).status == 404
