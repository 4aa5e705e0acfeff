"""What administrators do by hand, each act audited with it, and what other services do in the book. # 451"""

import pytest

from tests.integration.accounts.conftest import ADA, BOB, ROOT

NOBODY = "usr_01J0000000000000000000000Z"


def interventions(api):
    return [event["data"] for event in api.told("AdminIntervention")]


def test_a_credit_arrives_once_for_its_key_and_is_audited_with_it(api):
    body = {"amount": 100, "reason": "a welcome"}
    first = api.made("credit_account", "admin", ADA, body=body, key="k")
    assert api.made("credit_account", "admin", ADA, body=body, key="k") == first
    assert api("credit_account", "admin", ADA, body=body | {"amount": 200}, key="k").status == 422
    assert (api.balance(ADA), api.balance("house:credits")) == ((100, 0, 100), (-100, 0, -100))
    (told,) = interventions(api)
    assert (told["action"], told["subject"], told["by"], told["reason"]) == ("credit", ADA, ROOT, "a welcome")
    assert told["after"] == {"transfer_id": first["transfer_id"], "amount_micros": 100_000_000, "source": "credits"}


@pytest.mark.parametrize(
    ("source", "house"),
    [("deposit", "house:clearing"), ("adjustment", "house:adjustments"), ("credits", "house:credits")],
)
def test_a_credit_says_where_it_comes_from(api, source, house):
    api.made("credit_account", "admin", ADA, body={"amount": 1, "reason": "r", "source": source})
    assert api.balance(house) == (-1, 0, -1)


@pytest.mark.parametrize("account_id", [NOBODY, "org_01J0000000000000000000000X", "nobody"])
def test_nobody_is_credited_who_does_not_exist(api, account_id):
    assert api("credit_account", "admin", account_id, body={"amount": 1, "reason": "r"}).status == 404
    assert interventions(api) == []


INTERVENTIONS = [
    ("credit_account", ADA, {"amount": 1}),
    ("freeze_account", ADA, {}),
    ("unfreeze_account", ADA, {}),
    ("close_account", ADA, {}),
    ("set_credit_limit", ADA, {"credit_limit": 1}),
    ("reverse_transfer", "trf_1", {}),
]


@pytest.mark.parametrize(("handler", "path", "body"), INTERVENTIONS)
def test_an_intervention_is_for_administrators_and_has_a_reason(api, handler, path, body):
    api.made("get_account", "ada", "me")
    before = api.state()
    for who, status in (("ada", 403), ("service", 403), (None, 401)):
        assert api(handler, who, path, body=body | {"reason": "r"}).status == status
    for reason in ({}, {"reason": ""}, {"reason": "  "}, {"reason": None}, {"reason": "x" * 501}):
        refused = api(handler, "admin", path, body=body | reason)
        assert (refused.status, refused.json["errors"][0]["field"]) == (422, "reason"), reason
    assert api.state() == before


def test_freezing_is_told_once_however_often_it_is_asked_for(api):
    api.made("get_account", "ada", "me")
    for _ in range(2):
        assert api.made("freeze_account", "admin", ADA, body={"reason": "r"})["state"] == "frozen"
    (told,) = interventions(api)
    assert (told["before"]["state"], told["after"]["state"]) == ("open", "frozen")
    assert api("freeze_account", "admin", BOB, body={"reason": "r"}).status == 404


def test_the_same_key_freezes_once_also_when_it_was_let_go_since(api):
    """A request that is told again late does not undo what came after it."""
    api.made("get_account", "ada", "me")
    first = api.made("freeze_account", "admin", ADA, body={"reason": "r"}, key="k")
    api.made("unfreeze_account", "admin", ADA, body={"reason": "r"})
    assert api.made("freeze_account", "admin", ADA, body={"reason": "r"}, key="k") == first
    assert api.made("get_account", "ada", "me")["state"] == "open"
    assert api("freeze_account", "admin", ADA, body={"reason": "other"}, key="k").status == 422


def test_an_account_is_closed_when_it_is_empty_and_for_good(api):
    api.credit(ADA, 3)
    refused = api("close_account", "admin", ADA, body={"reason": "r"})
    assert (refused.status, refused.json["posted_micros"]) == (409, 3_000_000)
    api.made("deduct", "service", ADA, body={"amount": 3})
    assert api.made("close_account", "admin", ADA, body={"reason": "r"})["state"] == "closed"
    for handler in ("freeze_account", "unfreeze_account"):
        assert api(handler, "admin", ADA, body={"reason": "r"}).json["type"].endswith("account-closed")


def test_an_account_with_a_hold_is_not_closed(api):
    api.credit(ADA, 3)
    hold = api.made("place_hold", "service", body={"account_id": ADA, "amount": 3})
    body = {"amount": 3, "to": [{"account_id": "escrow:1", "amount": 3}]}
    assert api("close_account", "admin", ADA, body={"reason": "r"}).json["held_micros"] == 3_000_000
    api.made("capture_hold", "service", hold["hold_id"], body=body)
    api.made("close_account", "admin", ADA, body={"reason": "r"})


def test_a_hold_that_has_expired_does_not_keep_an_account_open(api):
    api.credit(ADA, 3)
    body = {"account_id": ADA, "amount": 1, "expires_at": "2026-05-24T10:30:00Z"}
    api.made("place_hold", "service", body=body)
    api.clock.tick(hours=1)
    api.made("deduct", "service", ADA, body={"amount": 3})
    api.made("close_account", "admin", ADA, body={"reason": "r"})


def test_a_transfer_is_taken_back_once_for_a_key_and_never_beyond_itself(api):
    api.credit(ADA, 10)
    taken = api.made("deduct", "service", ADA, body={"amount": 6})["transfer_id"]
    part = {"amount": 2, "reason": "half of it was wrong"}
    first = api.made("reverse_transfer", "admin", taken, body=part, key="k")
    assert api.made("reverse_transfer", "admin", taken, body=part, key="k") == first
    assert (first["reverses"], first["amount"], api.balance(ADA)) == (taken, 2, (6, 0, 6))
    assert api("reverse_transfer", "admin", taken, body=part | {"amount": 3}, key="k").status == 422
    rest = {"reason": "all of it was"}
    whole = api.made("reverse_transfer", "admin", taken, body=rest, key="rest")
    assert (whole["amount"], api.balance(ADA)) == (4, (10, 0, 10))
    assert api.made("reverse_transfer", "admin", taken, body=rest, key="rest") == whole
    assert api("reverse_transfer", "admin", taken, body=rest).json["type"].endswith("reversal-exceeds-transfer")
    assert api("reverse_transfer", "admin", whole["transfer_id"], body=rest).json["type"].endswith("not-reversible")
    assert api("reverse_transfer", "admin", "trf_none", body=rest).status == 404
    reversals = [told for told in interventions(api) if told["action"] == "reverse"]
    assert [(told["subject"], told["after"]["amount_micros"]) for told in reversals] == [
        (taken, 2_000_000),
        (taken, 4_000_000),
    ]


def test_money_that_is_spent_is_not_taken_back_from_a_user(api):
    gift = api.credit(ADA, 10)["transfer_id"]
    api.made("deduct", "service", ADA, body={"amount": 6})
    assert api("reverse_transfer", "admin", gift, body={"reason": "r"}).status == 402
    assert api.balance(ADA) == (4, 0, 4)
    assert [told["action"] for told in interventions(api)] == ["credit"]


# ------------------------------------------------------------ other services


def test_a_service_holds_captures_and_releases(api):
    api.credit(ADA, 10)
    body = {"account_id": ADA, "amount": 6, "reference": {"job": "7"}}
    hold = api.made("place_hold", "service", body=body, key="k")
    assert api.made("place_hold", "service", body=body, key="k") == hold
    assert api("place_hold", "service", body=body | {"amount": 5}, key="k").status == 422
    assert (hold["status"], hold["amount"], hold["reference"]) == ("active", 6, {"job": "7"})
    to = {"amount": 4, "to": [{"account_id": "seller:x", "amount": 3}, {"account_id": "house:fees", "amount": 1}]}
    captured = api.made("capture_hold", "service", hold["hold_id"], body=to, key="c")
    assert api.made("capture_hold", "service", hold["hold_id"], body=to, key="c") == captured
    assert api.balance(ADA) == (6, 0, 6)
    seen = api.made("get_hold", "service", hold["hold_id"])
    assert (seen["status"], seen["amount"], seen["captured"]) == ("captured", 0, 4)
    assert api.made("get_transfer", "service", captured["transfer_id"]) == captured
    assert api("void_hold", "service", hold["hold_id"]).status == 409


def test_a_service_cannot_hold_past_a_budget(api):
    api.credit(ADA, 100)
    api.made("set_budget", "ada", "me", body={"budget": {"limit": 10}})
    api.made("place_hold", "service", body={"account_id": ADA, "amount": 10})
    refused = api("place_hold", "service", body={"account_id": ADA, "amount": 0.000001})
    assert (refused.status, refused.json["type"]) == (402, "/docs/problems#budget-exceeded")
    org_id = api.organization(budget={"limit": 10})
    api.credit(org_id, 100)
    api.made("add_member", "ada", org_id, body={"user_id": BOB, "role": "member", "budget": {"limit": 3}})
    assert api("place_hold", "service", body={"account_id": org_id, "amount": 4, "user_id": BOB}).status == 402
    api.made("place_hold", "service", body={"account_id": org_id, "amount": 4})
    api.made("place_hold", "service", body={"account_id": org_id, "amount": 3, "user_id": BOB})
    assert api("place_hold", "service", body={"account_id": org_id, "amount": 4}).status == 402


def test_a_service_releases_a_hold_by_its_own_id(api):
    api.credit(ADA, 10)
    api.made("place_hold", "service", body={"hold_id": "job-7", "account_id": ADA, "amount": 6})
    again = api("place_hold", "service", body={"hold_id": "job-7", "account_id": ADA, "amount": 5})
    assert (again.status, again.json["type"]) == (409, "/docs/problems#hold-conflict")
    for _ in range(2):
        assert api.made("void_hold", "service", "job-7")["status"] == "voided"
    assert api.balance(ADA) == (10, 0, 10)


def test_a_transfer_has_several_legs_or_none(api):
    api.credit(ADA, 10)
    legs = [
        {"debit": ADA, "credit": "seller:x", "amount": 6},
        {"debit": ADA, "credit": "house:fees", "amount": 0.03},
    ]
    made = api.made("post_transfer", "service", body={"transfer_id": "t-1", "kind": "sale", "legs": legs})
    assert (made["transfer_id"], made["amount"], len(made["legs"])) == ("t-1", 6.03, 2)
    assert api.balance(ADA) == (3.97, 0, 3.97)
    more = [*legs, {"debit": BOB, "credit": ADA, "amount": 100}]
    before = api.state()
    assert api("post_transfer", "service", body={"kind": "sale", "legs": more}).status == 404
    assert api.state() == before
    again = api("post_transfer", "service", body={"transfer_id": "t-1", "kind": "sale", "legs": legs[:1]})
    assert (again.status, again.json["type"]) == (409, "/docs/problems#transfer-conflict")


@pytest.mark.parametrize(
    ("handler", "path", "body", "field"),
    [
        ("place_hold", [], {"account_id": ADA, "amount": 1, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("place_hold", [], {"account_id": "house:fees", "amount": 1}, "account_id"),
        ("place_hold", [], {"account_id": "nonsense", "amount": 1}, "account_id"),
        ("place_hold", [], {"account_id": ADA, "amount": 1, "hold_id": "a#b"}, "hold_id"),
        ("place_hold", [], {"account_id": ADA, "amount": 1, "currency": "BTC"}, "currency"),
        ("capture_hold", ["h"], {"amount": 2, "to": [{"account_id": BOB, "amount": 1}]}, "to"),
        ("capture_hold", ["h"], {"amount": 2, "to": [{"account_id": BOB, "amount": 1}] * 2}, "to"),
        ("post_transfer", [], {"kind": "x", "legs": []}, "legs"),
        ("post_transfer", [], {"kind": "X Y", "legs": [{"debit": ADA, "credit": BOB, "amount": 1}]}, "kind"),
        ("post_transfer", [], {"kind": "x", "legs": [{"debit": ADA, "credit": ADA, "amount": 1}]}, "legs.0.credit"),
        ("post_transfer", [], {"kind": "x", "legs": [{"debit": "x", "credit": ADA, "amount": 1}]}, "legs.0.debit"),
        ("post_transfer", [], {"kind": "x", "legs": [{"debit": ADA, "credit": BOB, "amount": 0}]}, "legs.0.amount"),
    ],
)
def test_what_cannot_be_booked_is_refused_by_name(api, handler, path, body, field):
    api.credit(ADA, 10)
    api.made("place_hold", "service", body={"hold_id": "h", "account_id": ADA, "amount": 2})
    before = api.state()
    refused = api(handler, "service", *path, body=body)
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, field)
    assert api.state() == before


@pytest.mark.parametrize(
    ("handler", "path"),
    [("get_hold", "none"), ("void_hold", "none"), ("get_transfer", "none"), ("capture_hold", "none")],
)
def test_what_is_not_there_is_404(api, handler, path):
    body = {"amount": 1, "to": [{"account_id": BOB, "amount": 1}]} if handler == "capture_hold" else None
    assert api(handler, "service", path, body=body).status == 404
    assert api(handler, "ada", path, body=body).status == 403
