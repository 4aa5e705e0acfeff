"""API keys: shown once, stored hashed, scoped, revoked."""

import json

import pytest


def test_a_key_is_shown_once_and_stored_nowhere(api, person, identity, outbox):
    ada = person()
    made = api("create_api_key", {"name": "ci"}, token=ada.token)
    assert made.status == 201
    text = made.body["api_key"]
    assert text[-4:] == made.body["last_four"]
    listed = api("list_api_keys", token=ada.token)
    assert "api_key" not in listed.body["items"][0]
    everything = repr(identity.scan()["Items"]) + json.dumps(outbox()) + json.dumps(listed.body)
    assert text not in everything
    assert text[31:-4] not in everything


def test_a_key_calls_as_its_owner(api, person):  # R4.4 (201)
    ada = person()
    key = api("create_api_key", {}, token=ada.token).body["api_key"]
    assert api("get_me", key=key).body["user_id"] == ada.user_id
    assert api("get_me", token=key).body["user_id"] == ada.user_id


def test_a_key_without_named_scopes_has_the_owners_but_makes_no_keys(api, person):
    ada = person()
    made = api("create_api_key", {}, token=ada.token).body
    assert made["scopes"] == [
        "accounts:read",
        "accounts:write",
        "alerts:read",
        "alerts:write",
        "billing:read",
        "billing:write",
        "favorites:write",
        "integrations:manage",
        "notifications:manage",
        "offers:read",
        "rentals:read",
        "rentals:write",
        "usage:read",
        "webhooks:read",
        "webhooks:write",
    ]
    assert api("create_api_key", {}, key=made["api_key"]).status == 403
    assert api("list_api_keys", key=made["api_key"]).status == 403


def test_a_key_has_the_scopes_it_was_given_and_gives_no_more_than_it_has(api, person):
    ada = person()
    made = api("create_api_key", {"scopes": ["keys:manage", "offers:read"]}, token=ada.token).body
    assert api("get_me", key=made["api_key"]).body["permissions"] == ["keys:manage", "offers:read"]
    beyond = api("create_api_key", {"scopes": ["rentals:write"]}, key=made["api_key"])
    assert (beyond.status, beyond.body["errors"][0]["field"]) == (422, "scopes")
    assert api("create_api_key", {"scopes": ["offers:read"]}, key=made["api_key"]).status == 201


@pytest.mark.parametrize("scopes", [["admin:*"], ["internal:*"], ["offers:read", "made:up"], [], ["*"], ["offers:*"]])
def test_scopes_beyond_ones_own_and_unknown_ones_are_refused(api, person, scopes):
    ada = person()
    assert api("create_api_key", {"scopes": scopes}, token=ada.token).status == 422
    assert api("list_api_keys", token=ada.token).body["items"] == []


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x" * 81}, {"expires_in_days": 0}, {"expires_in_days": 1.5},
                                  {"expires_in_days": "7"}, {"plan": "pro"}, {"scopes": "offers:read"}])  # fmt: skip
def test_wrong_bodies_are_refused(api, person, body):
    assert api("create_api_key", body, token=person().token).status == 422


def test_a_key_that_expires_says_when(api, person):
    made = api("create_api_key", {"expires_in_days": 7}, token=person().token).body
    assert (made["status"], made["expires_at"][:4].isdigit()) == ("active", True)


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(api, person, outbox):
    ada = person()
    made = api("create_api_key", {}, token=ada.token).body
    assert api("delete_api_key", token=ada.token, path={"key_id": made["key_id"]}).status == 204
    assert api("get_me", key=made["api_key"]).status == 401
    shown = api("list_api_keys", token=ada.token).body["items"][0]
    assert (shown["status"], shown["key_id"]) == ("revoked", made["key_id"])
    assert outbox()[-1]["type"] == "ApiKeyRevoked"


def test_revoking_twice_is_harmless_and_one_fact(api, person, outbox):
    ada = person()
    made = api("create_api_key", {}, token=ada.token).body
    for _ in range(2):
        assert api("delete_api_key", token=ada.token, path={"key_id": made["key_id"]}).status == 204
    assert [fact["type"] for fact in outbox()].count("ApiKeyRevoked") == 1


def test_somebody_elses_key_is_not_there(api, person):
    ada, eve = person(), person("eve@example.com")
    made = api("create_api_key", {}, token=ada.token).body
    assert api("delete_api_key", token=eve.token, path={"key_id": made["key_id"]}).status == 404
    assert api("delete_api_key", token=eve.token, path={"key_id": "no-such-key"}).status == 404
    assert api("list_api_keys", token=eve.token).body["items"] == []
    assert api("get_me", key=made["api_key"]).status == 200


def test_the_list_is_paged_newest_first(api, person):
    ada = person()
    names = [f"key {n}" for n in range(5)]
    for name in names:
        api("create_api_key", {"name": name}, token=ada.token)
    seen, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api("list_api_keys", token=ada.token, query=query).body
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == names[::-1]
    assert cursor is None


def test_a_cursor_of_another_tenant_or_a_changed_one_is_refused(api, person):
    ada, eve = person(), person("eve@example.com")
    for _ in range(2):
        api("create_api_key", {}, token=ada.token)
    cursor = api("list_api_keys", token=ada.token, query={"limit": 1}).body["next_cursor"]
    for token, text in ((eve.token, cursor), (ada.token, cursor[:-2] + "AA"), (ada.token, "x")):
        reply = api("list_api_keys", token=token, query={"cursor": text})
        assert (reply.status, reply.body["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"page": 1}])
def test_unknown_and_wrong_query_parameters_are_refused(api, person, query):
    assert api("list_api_keys", token=person().token, query=query).status == 422


def test_an_account_has_25_keys_at_most_and_a_revoked_one_makes_room(api, person):
    ada = person()
    made = [api("create_api_key", {}, token=ada.token) for _ in range(26)]
    assert [reply.status for reply in made] == [201] * 25 + [409]
    assert made[-1].body["type"].endswith("too-many-api-keys")
    api("delete_api_key", token=ada.token, path={"key_id": made[0].body["key_id"]})
    assert api("create_api_key", {}, token=ada.token).status == 201


def test_a_repeated_request_makes_one_key_and_does_not_show_it_again(api, person, identity):
    ada = person()
    request = {"body": {"name": "ci"}, "token": ada.token, "headers": {"idempotency-key": "once"}}
    first, second = api("create_api_key", **request), api("create_api_key", **request)
    assert first.body["api_key"]
    assert {**first.body, "api_key": None} == second.body
    assert len(api("list_api_keys", token=ada.token).body["items"]) == 1
    other = api("create_api_key", {"name": "other"}, token=ada.token, headers={"idempotency-key": "once"})
    assert (other.status, other.body["type"].partition("#")[2]) == (422, "idempotency-key-reused")
    assert first.body["api_key"] not in repr(identity.scan()["Items"])


def test_one_persons_idempotency_key_is_not_anothers(api, person):
    ada, eve = person(), person("eve@example.com")
    made = [api("create_api_key", {}, token=who.token, headers={"idempotency-key": "k"}).body for who in (ada, eve)]
    assert made[0]["key_id"] != made[1]["key_id"]
    assert made[1]["api_key"]


def test_the_key_the_grant_and_the_fact_are_written_together_or_not_at_all(api, person, identity, monkeypatch):
    from gpubroker.identity.store import keys as store

    ada = person()
    before = len(identity.scan()["Items"])
    monkeypatch.setattr(store, "remember", lambda *arguments: (_ for _ in ()).throw(RuntimeError("killed")))
    assert api("create_api_key", {}, token=ada.token).status == 500
    assert len(identity.scan()["Items"]) == before
