"""Logging in, refreshing, logging out; guessing."""

from datetime import timedelta

import pytest

from gpubroker.identity import passwords
from gpubroker.identity.signing import signing_keys
from gpubroker.identity.store import users
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.use_cases import sessions
from gpubroker.identity.views import Credentials
from gpubroker.kernel.time import utc_now

PASSWORD = "a long and quiet sentence"


def problem(reply):
    return reply.status, reply.body["type"].partition("#")[2]


# ---------------------------------------------------------------- guessing


def test_an_unknown_address_and_a_wrong_password_are_answered_alike_at_the_same_cost(
    api, person, aws_calls, monkeypatch
):
    ada = person()
    checked = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda stored, given: checked.append(stored) or real(stored, given))
    aws_calls.clear()
    known = api("log_in", {"email": ada.email, "password": "a wrong sentence"})
    calls, aws_calls[:] = list(aws_calls), []
    unknown = api("log_in", {"email": "nobody@example.com", "password": "a wrong sentence"})
    assert problem(known) == problem(unknown) == (401, "wrong-credentials")
    assert known.body["detail"] == unknown.body["detail"]
    assert calls == aws_calls
    assert len(checked) == 2
    assert checked[1] == passwords.NOBODY


def test_guessing_at_an_account_is_throttled_from_wherever_it_comes(api, person):
    ada = person()
    guesses = [
        api("log_in", {"email": ada.email, "password": f"guess number {n}"}, address=f"198.51.100.{n}")
        for n in range(11)
    ]
    assert [reply.status for reply in guesses] == [401] * 10 + [429]
    refused = api("log_in", {"email": "ADA@example.com", "password": ada.password})
    assert problem(refused) == (429, "too-many-attempts")
    assert 1 <= int(refused.headers["retry-after"]) <= 900


def test_an_unknown_account_is_throttled_just_the_same(api, identity):
    guesses = [api("log_in", {"email": "nobody@example.com", "password": f"guess {n}"}).status for n in range(11)]
    assert guesses == [401] * 10 + [429]


def test_an_address_that_tries_many_accounts_is_throttled(api, identity, monkeypatch):
    monkeypatch.setattr(passwords, "matches", lambda stored, given: False)
    body = {"password": "the same guess"}
    statuses = [api("log_in", body | {"email": f"user{n}@example.com"}).status for n in range(101)]
    assert statuses == [401] * 100 + [429]
    assert api("log_in", body | {"email": "user0@example.com"}, address="2001:db8::1").status == 401


def test_a_forged_forwarding_header_buys_no_further_tries(api, identity, monkeypatch):
    monkeypatch.setattr(passwords, "matches", lambda stored, given: False)
    for n in range(101):
        reply = api(
            "log_in",
            {"email": f"user{n}@example.com", "password": "x"},
            headers={"x-forwarded-for": f"192.0.2.{n}", "cloudfront-viewer-address": f"192.0.2.{n}:443"},
        )
    assert reply.status == 429


def test_logging_in_rightly_clears_the_account_and_costs_the_address_nothing(api, person, identity):
    ada = person()
    for _ in range(3):
        for n in range(9):
            assert api("log_in", {"email": ada.email, "password": f"guess {n}"}).status == 401
        assert api("log_in", {"email": ada.email, "password": ada.password}).status == 200
    counters = [item for item in identity.scan()["Items"] if item["pk"].startswith("THROTTLE#login")]
    assert [int(item["tries"]) for item in counters] == [27]


def test_a_try_counts_from_before_the_password_is_looked_at(api, person, identity, monkeypatch):
    """So guesses in parallel are counted, and a function that dies over one has counted it too."""
    ada = person()
    monkeypatch.setattr(passwords, "matches", lambda stored, given: (_ for _ in ()).throw(MemoryError))
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 500
    assert [int(i["tries"]) for i in identity.scan()["Items"] if i["pk"].startswith("THROTTLE#login-account")] == [1]


def test_an_old_credential_sent_along_does_not_stand_in_the_way_of_a_login(api, person):
    ada = person()
    reply = api("log_in", {"email": ada.email, "password": ada.password}, token="an.expired.token")
    assert reply.status == 200


def test_a_hash_of_older_parameters_is_made_anew_at_login(api, person):
    from argon2 import PasswordHasher

    ada = person()
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(ada.password)
    users.rehash(users.login_of(ada.email), old)
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 200
    stored = users.login_of(ada.email).password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 200


# ---------------------------------------------------------------- refreshing


def test_a_refresh_gives_another_pair_and_the_session_goes_on(api, person):
    ada = person()
    second = api("refresh_tokens", {"refresh_token": ada.refresh_token})
    assert second.status == 200
    assert second.body["refresh_token"] != ada.refresh_token
    assert api("get_me", token=second.body["access_token"]).status == 200
    third = api("refresh_tokens", {"refresh_token": second.body["refresh_token"]})
    assert third.status == 200


def test_an_old_refresh_token_ends_the_session_for_both_who_hold_one(api, person, outbox):
    ada = person()
    second = api("refresh_tokens", {"refresh_token": ada.refresh_token}).body
    reused = api("refresh_tokens", {"refresh_token": ada.refresh_token})
    assert problem(reused) == (401, "refresh-token-reused")
    assert problem(api("refresh_tokens", {"refresh_token": second["refresh_token"]})) == (401, "refresh-token-invalid")
    assert api("get_me", token=second["access_token"]).status == 401
    assert outbox()[-1]["data"]["reason"] == "refresh-token-reused"


def test_a_session_that_ended_leaves_the_others_alone(api, person):
    ada = person()
    other = api("log_in", {"email": ada.email, "password": ada.password}).body
    api("refresh_tokens", {"refresh_token": ada.refresh_token})
    api("refresh_tokens", {"refresh_token": ada.refresh_token})
    assert api("get_me", token=ada.token).status == 401
    assert api("get_me", token=other["access_token"]).status == 200


def test_who_lost_the_answer_repeats_the_request_with_its_key_and_gets_the_same_pair(api, person, identity):
    ada = person()
    request = {"body": {"refresh_token": ada.refresh_token}, "headers": {"idempotency-key": "attempt-1"}}
    first, second = api("refresh_tokens", **request), api("refresh_tokens", **request)
    assert first.body == second.body
    assert first.body["refresh_token"] not in repr(identity.scan()["Items"])
    assert api("refresh_tokens", {"refresh_token": first.body["refresh_token"]}).status == 200


def test_another_key_with_an_old_token_is_reuse(api, person):
    ada = person()
    body = {"refresh_token": ada.refresh_token}
    api("refresh_tokens", body, headers={"idempotency-key": "attempt-1"})
    assert problem(api("refresh_tokens", body, headers={"idempotency-key": "a-thief"})) == (401, "refresh-token-reused")


def test_of_two_refreshes_at_once_one_wins_and_the_other_is_reuse(api, person, monkeypatch):
    ada = person()
    real, rivals = users.rotate_session, [1]

    def rotate(*arguments):
        if rivals:
            rivals.pop()
            assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 200
        return real(*arguments)

    monkeypatch.setattr(users, "rotate_session", rotate)
    assert problem(api("refresh_tokens", {"refresh_token": ada.refresh_token})) == (401, "refresh-token-reused")
    assert standing_of(ada.user_id).sessions == {}


def test_of_two_refreshes_at_once_with_one_key_both_get_the_same_pair(api, person, monkeypatch):
    ada = person()
    real, answers = users.rotate_session, []
    request = {"body": {"refresh_token": ada.refresh_token}, "headers": {"idempotency-key": "k"}}

    def rotate(*arguments):
        if not answers:
            answers.append(None)
            answers.append(api("refresh_tokens", **request).body)
        return real(*arguments)

    monkeypatch.setattr(users, "rotate_session", rotate)
    assert api("refresh_tokens", **request).body == answers[1]


def test_a_process_that_dies_before_the_write_has_spent_nothing(api, person, monkeypatch):
    ada = person()
    with monkeypatch.context() as broken:
        broken.setattr(users, "rotate_session", lambda *arguments: (_ for _ in ()).throw(RuntimeError("killed")))
        assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 500
    assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 200


def test_a_session_ends_after_ninety_days_however_often_it_was_refreshed(person):
    ada = person()
    keys, now, token = signing_keys(), utc_now(), ada.refresh_token
    for _ in range(3):
        now += timedelta(days=29, hours=23)
        token = sessions.refresh(token, retry_key=None, keys=keys, now=now).refresh_token
    with pytest.raises(sessions.RefreshRefused):
        sessions.refresh(token, retry_key=None, keys=keys, now=now + timedelta(days=1))


def test_a_refresh_token_that_was_not_used_for_thirty_days_is_refused(person):
    ada = person()
    with pytest.raises(sessions.RefreshRefused):
        sessions.refresh(ada.refresh_token, retry_key=None, keys=signing_keys(), now=utc_now() + timedelta(days=31))


@pytest.mark.parametrize("token", ["a.b.c", "x", "gpb_" + "x" * 70])
def test_what_is_no_refresh_token_is_refused(api, identity, token):
    assert problem(api("refresh_tokens", {"refresh_token": token})) == (401, "refresh-token-invalid")


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(api, person):
    ada = person()
    assert api("refresh_tokens", {"refresh_token": ada.token}).status == 401
    assert api("get_me", token=ada.refresh_token).status == 401


def test_the_26th_login_ends_the_session_that_was_unused_the_longest(person, monkeypatch):
    ada = person()
    monkeypatch.setattr(passwords, "matches", lambda stored, given: True)
    keys, now = signing_keys(), utc_now()
    for minute in range(1, 26):
        given = Credentials(email=ada.email, password=ada.password)
        sessions.log_in(given, address="203.0.113.7", keys=keys, now=now + timedelta(minutes=minute))
    assert len(standing_of(ada.user_id).sessions) == 25
    with pytest.raises(sessions.RefreshRefused):
        sessions.refresh(ada.refresh_token, retry_key=None, keys=keys, now=now + timedelta(minutes=30))


# ---------------------------------------------------------------- logging out, disabled, another password


def test_logging_out_ends_this_session_and_not_the_other(api, person, outbox):
    ada = person()
    other = api("log_in", {"email": ada.email, "password": ada.password}).body
    assert api("log_out", token=ada.token).status == 204
    assert api("get_me", token=ada.token).status == 401
    assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 401
    assert api("get_me", token=other["access_token"]).status == 200
    assert outbox()[-1]["type"] == "SessionsEnded"


def test_logging_out_everywhere_ends_all(api, person):
    ada = person()
    other = api("log_in", {"email": ada.email, "password": ada.password}).body
    assert api("log_out", token=ada.token, query={"everywhere": "true"}).status == 204
    assert api("get_me", token=other["access_token"]).status == 401


def test_an_api_key_has_no_session_to_log_out_of(api, person):
    ada = person()
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    assert api("log_out", key=key).status == 403
    assert api("log_out", token=key).status == 403
    assert api("get_me", token=ada.token).status == 200


def test_without_credentials_nobody_is_logged_out(api, identity):
    assert problem(api("log_out")) == (401, "unauthenticated")


def test_another_password_ends_the_other_sessions_and_is_the_one_that_works(api, person, outbox):
    ada = person()
    other = api("log_in", {"email": ada.email, "password": ada.password}).body
    body = {"current_password": ada.password, "new_password": "an even longer sentence"}
    assert api("change_password", body, token=ada.token).status == 204
    assert api("get_me", token=ada.token).status == 200
    assert api("get_me", token=other["access_token"]).status == 401
    assert api("log_in", {"email": ada.email, "password": ada.password}).status == 401
    assert api("log_in", {"email": ada.email, "password": "an even longer sentence"}).status == 200
    assert {"PasswordChanged", "SessionsEnded"} <= {fact["type"] for fact in outbox()}


def test_another_password_needs_the_old_one_and_a_session(api, person):
    ada = person()
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    body = {"current_password": "not the old one", "new_password": "an even longer sentence"}
    assert problem(api("change_password", body, token=ada.token)) == (401, "wrong-credentials")
    assert api("change_password", body | {"current_password": ada.password}, key=key).status == 403
    weak = {"current_password": ada.password, "new_password": "password"}
    assert api("change_password", weak, token=ada.token).status == 422


def test_a_disabled_account_is_told_so_only_with_the_right_password(api, person, admin):
    ada = person()
    api("change_user_status", {"status": "disabled"}, token=admin.token, path={"user_id": ada.user_id})
    assert problem(api("log_in", {"email": ada.email, "password": ada.password})) == (403, "account-disabled")
    assert problem(api("log_in", {"email": ada.email, "password": "a guess"})) == (401, "wrong-credentials")
    assert api("get_me", token=ada.token).status == 401
    assert api("refresh_tokens", {"refresh_token": ada.refresh_token}).status == 401
