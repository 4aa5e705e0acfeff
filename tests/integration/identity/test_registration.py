"""Registering and verifying an address, without telling anybody who has an account."""

import json
import re

import pytest

from gpubroker.identity import passwords

ADA = {"email": "ada@example.com", "password": "a long and quiet sentence"}


def types(outbox):
    return [fact["type"] for fact in outbox()]


def fact(outbox, kind):
    return [fact for fact in outbox() if fact["type"] == kind][-1]


def token_in(mail):
    return re.search(r"^(ey\S+)$", mail["text"], re.MULTILINE)[1]


def test_a_person_registers_and_logs_in(api):  # (267)
    assert api("register_user", ADA | {"name": "Ada"}).status == 202
    tokens = api("log_in", ADA)
    assert tokens.status == 200
    assert tokens.body["token_type"] == "Bearer"
    assert (tokens.body["expires_in"], tokens.body["plan"]) == (900, "free")
    me = api("get_me", token=tokens.body["access_token"]).body
    assert (me["email"], me["name"], me["email_verified"], me["role"]) == ("ada@example.com", "Ada", False, "user")
    assert tokens.headers["cache-control"] == "no-store"


def test_neither_password_nor_address_leaves_with_the_facts(api, outbox, identity):
    api("register_user", ADA)
    assert sorted(types(outbox)) == ["EmailVerificationRequested", "UserRegistered"]
    assert "ada@" not in json.dumps(outbox())
    assert ADA["password"] not in repr(identity.scan()["Items"])


def test_a_second_registration_is_answered_like_the_first_and_changes_nothing(api, identity, outbox):
    first = api("register_user", ADA)
    before = api("log_in", ADA).body["user_id"]
    second = api("register_user", {"email": "ADA@Example.com", "password": "another person's sentence"})
    assert (second.status, second.body) == (first.status, first.body)
    assert api("log_in", {"email": ADA["email"], "password": "another person's sentence"}).status == 401
    assert api("log_in", ADA).body["user_id"] == before
    assert types(outbox)[-1] == "RegistrationRepeated"


def test_known_and_unknown_addresses_cost_the_same_calls_and_one_hash_each(api, aws_calls, monkeypatch):
    hashes = []
    real = passwords.hashed
    monkeypatch.setattr(passwords, "hashed", lambda text: hashes.append(1) or real(text))
    api("register_user", ADA)
    unknown, aws_calls[:] = list(aws_calls), []
    api("register_user", ADA)
    assert aws_calls == unknown == ["TransactWriteItems", "GetItem", "TransactWriteItems"]
    assert len(hashes) == 2


def test_of_two_registrations_of_one_address_at_once_one_wins(api, identity, outbox, monkeypatch):
    """The second one comes between the first one's look at the address and its write."""
    real, rivals = passwords.hashed, [{"email": ADA["email"], "password": "the rival's own sentence"}]

    def hashed(text):
        if rivals:
            assert api("register_user", rivals.pop()).status == 202
        return real(text)

    monkeypatch.setattr(passwords, "hashed", hashed)
    assert api("register_user", ADA).status == 202
    users = [item for item in identity.scan()["Items"] if item["sk"] == "PROFILE"]
    assert len(users) == 1
    assert types(outbox).count("UserRegistered") == 1
    assert api("log_in", ADA).status == 401
    assert api("log_in", {"email": ADA["email"], "password": "the rival's own sentence"}).status == 200


@pytest.mark.parametrize(
    ("body", "status", "wrong"),
    [
        ({"email": "ada@example.com"}, 422, "password"),
        ({"email": "nobody", "password": "a long and quiet sentence"}, 422, "email"),
        ({"email": "ada@example.com", "password": "short"}, 422, "password"),
        ({"email": "ada@example.com", "password": "ada@example.com"}, 422, "password"),
        ({"email": 5, "password": "a long and quiet sentence"}, 422, "email"),
        (ADA | {"plan": "enterprise"}, 422, "plan"),
        (ADA | {"role": "admin"}, 422, "role"),
        (ADA | {"password": "x" * 300}, 422, "password"),
    ],
)
def test_wrong_bodies_name_the_field_and_make_no_account(api, identity, body, status, wrong):
    reply = api("register_user", body)
    assert (reply.status, reply.body["errors"][0]["field"]) == (status, wrong)
    assert reply.headers["content-type"] == "application/problem+json"
    assert not [item for item in identity.scan()["Items"] if item["sk"] == "PROFILE"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("", 400),
        ("{", 400),
        ('{"email": "a@example.com", "email": "b@example.com", "password": "a long one"}', 400),
        ('{"email": NaN, "password": "a long one"}', 400),
        ("[]", 422),
        ("null", 422),
        ('{"email": "a@example.com", "password": "' + "x" * 300_000 + '"}', 413),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(api, raw, status):
    assert api("register_user", raw=raw).status == status


def test_registering_is_throttled_by_address(api, monkeypatch):
    from gpubroker.identity.throttle import Limit
    from gpubroker.identity.use_cases import registration

    monkeypatch.setattr(registration, "REGISTER_BY_ADDRESS", Limit("register-address", 2, 3600))
    monkeypatch.setattr(passwords, "hashed", lambda text: "$argon2id$")
    statuses = [api("register_user", ADA | {"email": f"a{n}@example.com"}).status for n in range(3)]
    assert statuses == [202, 202, 429]
    refused = api("register_user", ADA)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.body["type"].endswith("too-many-attempts")
    assert api("register_user", ADA, address="198.51.100.1").status == 202


# ---------------------------------------------------------------- verifying the address


def test_the_mailed_token_verifies_the_address_once(api, person, outbox, deliver, mailbox):
    ada = person()
    deliver(fact(outbox, "EmailVerificationRequested"))
    token = token_in(mailbox()[0])
    assert mailbox()[0]["to"] == [ada.email]
    assert api("verify_email", {"token": token}).status == 204
    assert api("get_me", token=ada.token).body["email_verified"] is True
    assert types(outbox)[-1] == "EmailVerified"
    again = api("verify_email", {"token": token})
    assert (again.status, again.body["errors"][0]["field"]) == (422, "token")


def test_a_fact_delivered_twice_is_one_mail(person, outbox, deliver, mailbox):
    person()
    wanted = fact(outbox, "EmailVerificationRequested")
    assert [deliver(wanted)["outcome"] for _ in range(3)] == ["sent", "sent-before", "sent-before"]
    assert len(mailbox()) == 1


def test_a_mail_function_that_dies_after_sending_sends_the_same_token_again(
    api, person, outbox, deliver, mailbox, monkeypatch
):
    from gpubroker.identity.store import mails

    person()
    wanted = fact(outbox, "EmailVerificationRequested")
    with monkeypatch.context() as broken:
        broken.setattr(mails, "remember", lambda *args, **named: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            deliver(wanted)
    deliver(wanted)
    first, second = (token_in(mail) for mail in mailbox())
    assert first == second
    assert api("verify_email", {"token": second}).status == 204


def test_asking_again_sends_a_new_token_and_voids_the_old_one(api, person, outbox, deliver, mailbox):
    person()
    first = fact(outbox, "EmailVerificationRequested")
    deliver(first)
    assert api("resend_verification", {"email": "ada@example.com"}).status == 202
    second = fact(outbox, "EmailVerificationRequested")
    assert second["id"] != first["id"]
    deliver(second)
    old, new = (token_in(mail) for mail in mailbox())
    assert api("verify_email", {"token": old}).status == 422
    assert api("verify_email", {"token": new}).status == 204


def test_asking_again_tells_nobody_who_has_an_account(api, person, outbox, aws_calls):
    ada = person()
    aws_calls.clear()
    known = api("resend_verification", {"email": ada.email})
    calls, aws_calls[:] = list(aws_calls), []
    unknown = api("resend_verification", {"email": "nobody@example.com"})
    assert (known.status, known.body) == (unknown.status, unknown.body)
    assert calls == aws_calls


def test_a_mailbox_is_not_flooded_and_nobody_learns_why(api, person, outbox):
    person()
    replies = [api("resend_verification", {"email": "ada@example.com"}) for _ in range(8)]
    assert {reply.status for reply in replies} == {202}
    assert types(outbox).count("EmailVerificationRequested") == 1 + 5


def test_a_token_of_another_use_verifies_nothing(api, person):
    ada = person()
    for token in (ada.token, ada.refresh_token, "a.b.c", "x" * 4096):
        assert api("verify_email", {"token": token}).status == 422
    assert api("verify_email", {"token": "x" * 5000}).status == 422
