"""What each function does to AWS is what its role allows: nothing is missing, nothing is there for no use."""

import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from botocore.client import BaseClient

from gpubroker.identity.signing import signing_keys

WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
PREFIXES = {"DynamoDB": "dynamodb", "Secrets Manager": "secretsmanager", "SESv2": "ses"}
LOGIN = {"email": "ada@example.com", "password": "a long and quiet sentence"}
OUR_FIRST_KEYS = {"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"}


def listed(value):
    return value if isinstance(value, list) else [value]


def allowed():
    """Function -> actions its role allows on the table, the signing secret and SES."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)
    path = Path(__file__).parents[3] / "infra" / "identity.yaml"
    template = yaml.load(path.read_text(), Loader)  # noqa: S506 - a safe loader
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            statements = [part for policy in resource["Properties"].get("Policies", ()) for part in policy["Statement"]]
            actions = [
                a
                for part in statements
                for a in ([part["Action"]] if isinstance(part["Action"], str) else part["Action"])
            ]
            name = resource["Properties"]["Handler"].split(".")[1]
            found[name] = {action for action in actions if action.split(":")[0] in PREFIXES.values()}
    return found


@pytest.fixture
def done(monkeypatch, identity):
    """Function -> actions it asked of AWS; `done.of(name)` says who is at work."""

    class Done(defaultdict):
        who = None

    found = Done(set)
    real = BaseClient._make_api_call

    def watched(self, operation, parameters):
        if found.who:
            service = PREFIXES[str(self.meta.service_model.service_id)]
            if operation == "TransactWriteItems":
                kinds = [WRITES[kind] for entry in parameters["TransactItems"] for kind in entry]
            else:
                kinds = [operation]
            found[found.who] |= {f"{service}:{kind}" for kind in kinds}
        return real(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", watched)
    return found


def test_each_role_allows_what_its_function_does_and_no_more(api, admin, done, outbox, mailbox, monkeypatch):
    def call(name, *arguments, expect=(200, 201, 202, 204), **named):
        done.who = name
        reply = api(name, *arguments, **named)
        done.who = None
        assert reply.status in expect, (name, reply)
        return reply.body

    def deliver(kind):
        fact = [fact for fact in outbox() if fact["type"] == kind][-1]
        detail = fact["data"] | {"event_id": fact["id"], "occurred_at": fact["occurred_at"]}
        done.who = "send_mail"
        importlib.import_module("identity.send_mail").handler({"detail-type": kind, "detail": detail}, None)
        done.who = None
        return re.search(r"^(ey\S+)$", mailbox()[-1]["text"], re.MULTILINE)[1]

    signing_keys.cache_clear()  # every function below is a fresh process, as far as the signing keys go
    call("register_user", LOGIN)
    call("register_user", LOGIN)
    call("verify_email", {"token": deliver("EmailVerificationRequested")})
    call("resend_verification", {"email": LOGIN["email"]})
    api("register_user", {"email": "eve@example.com", "password": LOGIN["password"]})
    call("resend_verification", {"email": "eve@example.com"})
    call("request_password_reset", {"email": LOGIN["email"]})
    call("reset_password", {"token": deliver("PasswordResetRequested"), "password": LOGIN["password"]})
    signing_keys.cache_clear()
    session = call("log_in", LOGIN)
    call("log_in", LOGIN | {"password": "wrong one"}, expect=(401,))
    signing_keys.cache_clear()
    call("refresh_tokens", {"refresh_token": session["refresh_token"]})
    call("refresh_tokens", {"refresh_token": session["refresh_token"]}, expect=(401,))
    token = api("log_in", LOGIN).body["access_token"]
    once = {"idempotency-key": "once"}
    for _ in range(2):
        made = call("create_api_key", {}, token=token, headers=once)
    call("list_api_keys", token=token)
    call("delete_api_key", token=token, path={"key_id": made["key_id"]})
    call("get_me", token=token)
    call("change_password", {"current_password": LOGIN["password"], "new_password": LOGIN["password"]}, token=token)
    root, user = {"token": admin.token}, {"path": {"user_id": session["user_id"]}}
    call("find_user", query={"email": LOGIN["email"]}, **root)
    call("get_user", **root, **user)
    for _ in range(2):
        call("change_plan", {"plan": "pro"}, headers=once, **root, **user)
    call("change_user_status", {"status": "disabled"}, **root, **user)
    call("change_user_status", {"status": "active"}, **root, **user)
    agent = {"service_id": "bot", "kind": "agent", "scopes": ["offers:read"], "owner_id": session["user_id"]}
    for body in (agent, {"service_id": "kpi", "kind": "service", "scopes": ["internal:*"]}):
        secret = call("create_service_account", body, **root)["secret"]
    call("list_service_accounts", **root)
    secret = call("rotate_service_secret", **root, path={"service_id": "kpi"})["secret"]
    signing_keys.cache_clear()
    service = call("issue_service_token", {"service_id": "kpi", "secret": secret})["access_token"]
    call("validate_token", {"token": token}, token=service)
    call("get_service_permissions", token=service, path={"service_id": "kpi"})
    call("delete_service_account", **root, path={"service_id": "bot"})
    call("get_jwks")
    call("log_out", token=token)
    done.who = "rotate_signing_keys"
    monkeypatch.setattr("gpubroker.identity.keyring.SEEN_SECONDS", 0)
    importlib.import_module("identity.rotate_signing_keys").handler({"force": True}, None)
    done.who = None

    roles = allowed()
    for name in sorted(set(roles) - {"relay_events"}):
        assert done[name] - roles[name] == set(), f"{name} lacks a permission"
        # Keys are made at the first use by whichever signs first; here they were there already.
        makes_keys = OUR_FIRST_KEYS | {"dynamodb:PutItem"} if "secretsmanager:GetSecretValue" in roles[name] else set()
        assert roles[name] - done[name] - makes_keys == set(), f"{name} may what it never does"


@pytest.mark.parametrize(
    "name", ["log_in", "refresh_tokens", "issue_service_token", "send_mail", "rotate_signing_keys"]
)
def test_whoever_signs_may_make_the_first_keys(done, name):
    done.who = "first"
    signing_keys().signer(1_800_000_000.0)
    done.who = None
    assert done["first"] <= allowed()[name] | {"secretsmanager:UpdateSecretVersionStage"}
    assert allowed()[name] >= OUR_FIRST_KEYS
