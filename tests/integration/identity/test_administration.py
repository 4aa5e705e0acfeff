"""What administrators change, and how an administrator comes to be."""

import io
import subprocess
import sys

import boto3
import pytest
from botocore.exceptions import ClientError

from gpubroker.identity import passwords
from infra import admin as command


def problem(reply):
    return reply.status, reply.body["type"].partition("#")[2]


def test_a_new_plan_holds_for_token_and_key(api, person, admin, outbox):
    ada = person()
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    reply = api("change_plan", {"plan": "enterprise"}, token=admin.token, path={"user_id": ada.user_id})
    assert reply.body == {
        "user_id": ada.user_id,
        "plan": "enterprise",
        "previous_plan": "free",
        "effective_within_seconds": 30,
    }
    for credential in ({"token": ada.token}, {"key": key}):
        me = api("get_me", **credential).body
        assert (me["plan"], me["requests_per_second"]) == ("enterprise", 1000)  # R4.1 (198)
    fact = outbox()[-1]
    assert (fact["type"], fact["data"]["old_plan"], fact["data"]["changed_by"]) == (
        "PlanChanged",
        "free",
        admin.user_id,
    )


def test_the_same_plan_again_is_no_change_and_no_fact(api, person, admin, outbox):
    ada = person()
    for _ in range(2):
        assert api("change_plan", {"plan": "pro"}, token=admin.token, path={"user_id": ada.user_id}).status == 200
    assert [fact["type"] for fact in outbox()].count("PlanChanged") == 1


def test_a_repeated_request_is_answered_as_the_first_time(api, person, admin, outbox):
    ada = person()
    request = {"token": admin.token, "path": {"user_id": ada.user_id}, "headers": {"idempotency-key": "k"}}
    first = api("change_plan", {"plan": "pro"}, **request)
    second = api("change_plan", {"plan": "pro"}, **request)
    assert first.body == second.body
    assert second.body["previous_plan"] == "free"
    assert problem(api("change_plan", {"plan": "free"}, **request)) == (422, "idempotency-key-reused")
    assert [fact["type"] for fact in outbox()].count("PlanChanged") == 1


def test_of_two_administrators_at_once_one_is_told_to_look_again(api, person, admin, monkeypatch):
    from gpubroker.identity.store import users

    ada, real, rivals = person(), users.change_plan, ["enterprise"]

    def change(*arguments, **named):
        if rivals:
            body = {"plan": rivals.pop()}
            assert api("change_plan", body, token=admin.token, path={"user_id": ada.user_id}).status == 200
        return real(*arguments, **named)

    monkeypatch.setattr(users, "change_plan", change)
    reply = api("change_plan", {"plan": "pro"}, token=admin.token, path={"user_id": ada.user_id})
    assert problem(reply) == (409, "changed-meanwhile")


@pytest.mark.parametrize("body", [{"plan": "gold"}, {}, {"plan": None}, {"plan": "pro", "until": "2030"}])
def test_wrong_plans_are_refused(api, person, admin, body):
    assert api("change_plan", body, token=admin.token, path={"user_id": person().user_id}).status == 422


@pytest.mark.parametrize("user_id", ["usr_nobody", "svc_x", "KEYS", "x" * 64])
def test_a_plan_for_nobody_is_404(api, admin, user_id):
    assert api("change_plan", {"plan": "pro"}, token=admin.token, path={"user_id": user_id}).status == 404
    assert api("get_user", token=admin.token, path={"user_id": user_id}).status == 404


def test_a_user_is_found_by_address_and_by_id(api, person, admin):
    ada = person()
    found = api("find_user", token=admin.token, query={"email": "ADA@example.com"}).body
    assert found == api("get_user", token=admin.token, path={"user_id": ada.user_id}).body
    assert (found["user_id"], found["plan"], found["status"]) == (ada.user_id, "free", "active")
    assert "password_hash" not in found
    assert api("find_user", token=admin.token, query={"email": "nobody@example.com"}).status == 404
    assert api("find_user", token=admin.token).status == 422


def test_a_disabled_user_is_out_with_every_credential_and_back_when_enabled(api, person, admin):
    ada = person()
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    path = {"user_id": ada.user_id}
    assert api("change_user_status", {"status": "disabled"}, token=admin.token, path=path).status == 200
    assert api("get_me", token=ada.token).status == api("get_me", key=key).status == 401
    assert api("change_user_status", {"status": "active"}, token=admin.token, path=path).status == 200
    assert api("get_me", token=ada.token).status == api("get_me", key=key).status == 200


def test_an_administrator_cannot_lock_themself_out(api, admin):
    reply = api("change_user_status", {"status": "disabled"}, token=admin.token, path={"user_id": admin.user_id})
    assert problem(reply) == (409, "own-account")


# ---------------------------------------------------------------- python -m infra.admin


def test_the_command_makes_an_administrator(api, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("an administrator's sentence\n"))
    assert command.main(["create-admin", "--email", "Root@example.com", "--password-stdin"]) == 0
    user_id = capsys.readouterr().out.strip()
    tokens = api("log_in", {"email": "root@example.com", "password": "an administrator's sentence"}).body
    me = api("get_me", token=tokens["access_token"]).body
    assert (me["user_id"], me["role"], me["plan"], me["email_verified"]) == (user_id, "admin", "enterprise", True)
    assert "admin:*" in me["permissions"]


def test_the_command_raises_a_user_who_keeps_the_password(api, person, capsys):
    ada = person()
    assert command.main(["create-admin", "--email", ada.email, "--generate-password"]) == 0
    assert capsys.readouterr().out.split()[0] == ada.user_id
    assert api("get_me", token=ada.token).body["role"] == "admin"
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 200


def test_a_generated_password_is_printed_and_works(api, identity, capsys):
    command.main(["create-admin", "--email", "root@example.com", "--generate-password"])
    password = capsys.readouterr().out.split()[1]
    assert passwords.acceptable(password)
    assert api("log_in", {"email": "root@example.com", "password": password}).status == 200


def test_the_command_says_what_is_wrong_in_one_sentence(identity, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert command.main(["create-admin", "--email", "root@example.com", "--password-stdin"]) == 1
    error = capsys.readouterr().err
    assert error == "password: needs at least 8 characters\n"


class Stacks:
    """CloudFormation as far as the command asks it."""

    def __init__(self, outputs):
        self.outputs = outputs

    def describe_stacks(self, *, StackName):  # noqa: N803 - boto3's spelling
        if self.outputs is None:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no such stack"}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackName": StackName, "Outputs": outputs}]}


@pytest.mark.parametrize(
    ("outputs", "status"), [({"IdentityTableName": "identity"}, 0), ({"Other": "x"}, 1), (None, 1)]
)
def test_the_command_finds_the_table_by_its_stack_or_says_what_to_give(identity, monkeypatch, capsys, outputs, status):
    monkeypatch.delenv("IDENTITY_TABLE")
    real = boto3.client
    monkeypatch.setattr(
        boto3, "client", lambda name, **more: Stacks(outputs) if name == "cloudformation" else real(name, **more)
    )
    assert command.main(["create-admin", "--email", "root@example.com", "--generate-password"]) == status
    assert status == 0 or "--table" in capsys.readouterr().err


def test_the_help_says_how_the_rest_is_made_over_the_api():
    done = subprocess.run([sys.executable, "-m", "infra.admin", "--help"], capture_output=True, text=True, check=True)
    for part in ("create-admin", "/api/v2/auth/service-accounts", "/api/v2/admin/users/{user_id}/plan", "mails"):
        assert part in done.stdout


def test_mails_need_the_local_engine(identity, capsys):
    assert command.main(["mails"]) == 1
    assert "AWS_ENDPOINT_URL" in capsys.readouterr().err
