"""Every route of the context x every kind of caller: 401 without credentials, 403 without the right."""

from pathlib import Path

import pytest
import yaml

OPEN = {"register_user", "log_in", "refresh_tokens", "request_password_reset", "reset_password", "verify_email",
        "resend_verification", "issue_service_token", "get_jwks"}  # fmt: skip
SIGNED_IN = {"get_me"}
SESSIONS = {"log_out", "change_password"}
KEYS = {"create_api_key", "list_api_keys", "delete_api_key"}
ADMINISTRATION = {"create_service_account", "list_service_accounts", "rotate_service_secret", "delete_service_account",
                  "find_user", "get_user", "change_plan", "change_user_status"}  # fmt: skip
INTERNAL = {"validate_token", "get_service_permissions"}
UNROUTED = {"refuse_route", "relay_events", "rotate_signing_keys", "send_mail"}

CALLERS = ("anonymous", "free", "pro", "enterprise", "key", "admin", "admin key", "service", "narrow service", "agent")
PEOPLE = {"free", "pro", "enterprise", "admin"}
ALLOWED = (
    dict.fromkeys(SIGNED_IN, frozenset(CALLERS) - {"anonymous"})
    | dict.fromkeys(KEYS | SESSIONS, frozenset(PEOPLE))
    | dict.fromkeys(ADMINISTRATION, frozenset({"admin", "admin key"}))
    | dict.fromkeys(INTERNAL, frozenset({"service"}))
)


@pytest.fixture
def credentials(api, person, admin):
    found = {"anonymous": {}, "admin": {"token": admin.token}}
    people = {plan: person(f"{plan}@example.com") for plan in ("free", "pro", "enterprise")}
    for plan, someone in people.items():
        if plan != "free":
            api("change_plan", {"plan": plan}, token=admin.token, path={"user_id": someone.user_id})
        found[plan] = {"token": someone.token}
    found["key"] = {"key": api("create_api_key", {}, token=people["free"].token).body["api_key"]}
    found["admin key"] = {"key": api("create_api_key", {}, token=admin.token).body["api_key"]}
    accounts = {
        "service": {"kind": "service", "scopes": ["internal:*"]},
        "narrow service": {"kind": "service", "scopes": ["offers:read"]},
        "agent": {"kind": "agent", "scopes": ["offers:read", "rentals:write"], "owner_id": people["pro"].user_id},
    }
    for name, account in accounts.items():
        service_id = name.replace(" ", "-")
        made = api("create_service_account", account | {"service_id": service_id}, token=admin.token).body
        token = api("issue_service_token", {"service_id": service_id, "secret": made["secret"]}).body["access_token"]
        found[name] = {"token": token}
    return found


def test_every_function_of_the_template_is_in_this_matrix():
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    root = Path(__file__).parents[3]
    template = yaml.load((root / "infra" / "identity.yaml").read_text(), Loader)  # noqa: S506 - a safe loader
    named = {
        resource["Properties"]["Handler"].split(".")[1]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert named == OPEN | SIGNED_IN | SESSIONS | KEYS | ADMINISTRATION | INTERNAL | UNROUTED


# What lets each errand begin, so that only the right to it is in question.
BODIES = {"change_password": {"current_password": "x", "new_password": "a sentence of its own"}}


def test_who_may_call_what(api, credentials):
    for name in sorted(ALLOWED, key=lambda name: (name in SESSIONS, name)):  # what ends sessions comes last
        for caller in CALLERS:
            # Without a body and for things that are not there: who is let in is served or told 400, 404 or 422.
            path = {"key_id": "x", "user_id": "x", "service_id": "x"}
            reply = api(name, BODIES.get(name), path=path, **credentials[caller])
            where = (name, caller, reply)
            if caller == "anonymous":
                assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), where
            elif caller not in ALLOWED[name]:
                assert reply.status == 403, where
            elif name == "change_password":
                assert reply.body["type"].endswith("wrong-credentials"), where
            else:
                assert reply.status not in (401, 403), where


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_credentials_that_do_not_hold_are_told_before_the_input_is_read(api, identity, name):
    for credential in ({"token": "a.b.c"}, {"key": "gpb_x"}, {"headers": {"authorization": "Basic x"}}):
        reply = api(name, raw='{"broken', query={"unknown": 1}, **credential)
        assert (reply.status, reply.body["type"].partition("#")[2]) == (401, "unauthenticated")


@pytest.mark.parametrize("name", sorted(OPEN - {"get_jwks"}))
@pytest.mark.parametrize(
    ("raw", "status"),
    [("", 400), ("{", 400), ('{"a": NaN}', 400), ('{"a": 1, "a": 2}', 400), ('"text"', 422), ("{}", 422),
     ('{"unknown": 1}', 422), ('{"email": 1e400}', 400)],
)  # fmt: skip
def test_open_routes_refuse_bad_bodies_and_write_nothing(api, identity, name, raw, status):
    reply = api(name, raw=raw)
    assert reply.status in ({status} if "1e400" not in raw else {400, 422})
    assert reply.headers["content-type"] == "application/problem+json"
    assert identity.scan()["Items"] == []
