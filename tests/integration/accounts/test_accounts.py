"""Accounts over their API: who sees what, what is deducted, what happened. # 433-437, 467-471"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.accounts.conftest import ADA, BOB, EVE


def test_an_account_is_opened_by_its_owner_looking_at_it(api):
    """Also before anybody told that they registered. (467)"""
    told = api.made("get_account", "ada", "me")
    assert (told["account_id"], told["owner"], told["kind"], told["state"]) == (ADA, ADA, "user", "open")
    assert (told["currency"], told["credit_limit"], told["budgets"]) == ("USD", 0, [])
    assert api.made("get_account", "service", ADA) == told
    assert api("get_account", "service", BOB).status == 404


def test_a_balance_says_what_is_posted_held_and_available(api):  # (468, 435)
    api.credit(ADA, 100)
    api.made("place_hold", "service", body={"account_id": ADA, "amount": 30.25})
    told = api.made("get_balance", "ada", ADA)
    assert (told["posted"], told["held"], told["available"]) == (100, 30.25, 69.75)
    assert (told["posted_micros"], told["available_micros"]) == (100_000_000, 69_750_000)
    assert told["currency"] == "USD"
    assert told["as_of"].startswith("2026-05-24T10:00:00")


@pytest.mark.parametrize(
    "handler", ["get_account", "get_balance", "list_activity", "list_deposits", "list_withdrawals"]
)
def test_another_tenants_account_is_no_account(api, handler):  # (434)
    api.credit(ADA, 1)
    assert api(handler, "bob", ADA).status == 404
    assert api(handler, "bob", EVE).json["detail"] == f"There is no account {EVE}."  # as one that is not there
    assert api(handler, "agent", ADA).status == 200
    assert api(handler, "service", ADA).status == 200
    assert api(handler, "admin", ADA).status == 200
    assert api(handler, "narrow service", ADA).status == 403
    assert api(handler, None, ADA).status == 401


def test_a_deduction_is_taken_once_and_leaves_an_entry(api):  # (469, 471, 442)
    api.credit(ADA, 10)
    body = {"amount": 2.5, "reason": "GPU hours", "reference": "line-7"}
    first = api.made("deduct", "service", ADA, body=body, key="the-key")
    assert (first["amount_micros"], first["reason"], first["reference"]) == (2_500_000, "GPU hours", "line-7")
    assert api.made("deduct", "service", ADA, body=body, key="the-key") == first
    assert api.balance(ADA) == (7.5, 0, 7.5)
    newest = api.made("list_activity", "ada", "me")["entries"][0]
    assert (newest["transfer_id"], newest["kind"], newest["amount"]) == (first["transfer_id"], "deduction", -2.5)
    assert newest["counterparties"] == ["house:fees"]
    assert newest["reference"] == {"reason": "GPU hours", "reference": "line-7", "by": "billing"}


def test_a_deduction_is_one_transaction(api):
    api.credit(ADA, 10)
    api.made("deduct", "service", ADA, body={"amount": 1})
    assert api.calls == ["TransactWriteItems"]


@pytest.mark.parametrize("other", [{"amount": 3}, {"amount": 2.5, "reason": "else"}])
def test_a_key_used_for_another_deduction_is_refused(api, other):
    api.credit(ADA, 10)
    api.made("deduct", "service", ADA, body={"amount": 2.5}, key="k")
    refused = api("deduct", "service", ADA, body=other, key="k")
    assert refused.status == 422
    assert refused.json["type"].endswith("idempotency-key-reused")
    assert api.balance(ADA) == (7.5, 0, 7.5)


def test_a_deduction_goes_down_to_nothing_or_the_credit_limit_and_no_further(api):  # (471)
    api.credit(ADA, 10)
    api.made("deduct", "service", ADA, body={"amount": 9})
    refused = api("deduct", "service", ADA, body={"amount": 1.000001})
    assert refused.status == 402
    assert refused.json["type"].endswith("insufficient-funds")
    assert (refused.json["asked_micros"], refused.json["available_micros"]) == (1_000_001, 1_000_000)
    api.made("set_credit_limit", "admin", ADA, body={"credit_limit": 5, "reason": "a good customer"})
    api.made("deduct", "service", ADA, body={"amount": 6})
    assert api.balance(ADA) == (-5, 0, -5)
    assert api("deduct", "service", ADA, body={"amount": 0.000001}).status == 402


def test_what_is_held_cannot_be_deducted(api):
    api.credit(ADA, 10)
    api.made("place_hold", "service", body={"account_id": ADA, "amount": 8})
    assert api("deduct", "service", ADA, body={"amount": 3}).status == 402
    api.made("deduct", "service", ADA, body={"amount": 2})
    assert api.balance(ADA) == (8, 8, 0)


def test_a_deduction_that_was_refused_may_be_sent_again_under_its_key(api):
    api.credit(ADA, 1)
    assert api("deduct", "service", ADA, body={"amount": 2}, key="k").status == 402
    api.credit(ADA, 1)
    api.made("deduct", "service", ADA, body={"amount": 2}, key="k")
    assert api.balance(ADA) == (0, 0, 0)


def test_of_twenty_deductions_at_once_ten_find_money(api):  # (471)
    api.credit(ADA, 10)
    with ThreadPoolExecutor(8) as together:
        asked = [together.submit(api, "deduct", "service", ADA, body={"amount": 1}, key=f"c{n}") for n in range(20)]
        statuses = sorted(one.result().status for one in asked)
    assert statuses == [200] * 10 + [402] * 10
    assert api.balance(ADA) == (0, 0, 0)


@pytest.mark.parametrize(
    ("amount", "status"),
    [
        ("NaN", 400),
        ("Infinity", 400),
        ("-1", 422),
        ("0", 422),
        ("0.0000001", 422),
        ("1.0000001", 422),
        ("1e13", 422),
        ("4.4870424789414816e307", 422),
        ("2.1e-162", 422),
        ("1e400", 400),
        ("9999999999.123456", 422),
        ('"1"', 422),
        ("true", 422),
        ("null", 422),
        ("[1]", 422),
    ],
)
def test_an_amount_that_is_none_is_refused_and_changes_nothing(api, amount, status):
    api.credit(ADA, 10)
    before = api.state()
    for handler, who, more in (
        ("deduct", "service", ""),
        ("create_deposit", "ada", ""),
        ("create_withdrawal", "ada", ', "destination": "my bank"'),
        ("credit_account", "admin", ', "reason": "a gift"'),
    ):
        refused = api(handler, who, ADA, body=f'{{"amount": {amount}{more}}}')
        assert refused.status in (status, 422), f"{handler} {amount}: {refused.json}"
        if refused.status == 422:
            assert refused.json["errors"][0]["field"].split(".")[0] == "amount"
    assert api.state() == before


def test_another_currency_is_refused_by_name(api):
    api.credit(ADA, 10)
    for handler, who, more in (
        ("deduct", "service", {}),
        ("create_deposit", "ada", {}),
        ("create_withdrawal", "ada", {"destination": "my bank"}),
        ("credit_account", "admin", {"reason": "a gift"}),
    ):
        refused = api(handler, who, ADA, body={"amount": 1, "currency": "EUR"} | more)
        assert (refused.status, refused.json["errors"][0]["field"]) == (422, "currency")
        assert api(handler, who, ADA, body={"amount": 1, "currency": "USD"} | more).status < 300


def test_money_does_not_move_without_a_key(api):
    api.credit(ADA, 10)
    for handler, who, path, body in (
        ("deduct", "service", [ADA], {"amount": 1}),
        ("create_deposit", "ada", [ADA], {"amount": 1}),
        ("create_withdrawal", "ada", [ADA], {"amount": 1, "destination": "my bank"}),
        ("credit_account", "admin", [ADA], {"amount": 1, "reason": "a gift"}),
        ("reverse_transfer", "admin", ["trf_1"], {"reason": "a mistake"}),
        ("place_hold", "service", [], {"account_id": ADA, "amount": 1}),
        ("post_transfer", "service", [], {"kind": "x", "legs": [{"debit": ADA, "credit": BOB, "amount": 1}]}),
    ):
        refused = api(handler, who, *path, body=body, key=None)
        assert (refused.status, "Idempotency-Key" in refused.json["detail"]) == (400, True), handler


def test_only_a_service_with_the_scope_deducts(api):  # (470)
    api.credit(ADA, 10)
    for who, status in (("ada", 403), ("admin", 403), ("narrow service", 403), ("agent", 403), (None, 401)):
        assert api("deduct", who, ADA, body={"amount": 1}).status == status


@pytest.mark.parametrize("account_id", [BOB, "org_01J0000000000000000000000X", "nobody", "me"])
def test_an_unknown_account_is_404(api, account_id):
    refused = api("deduct", "service", account_id, body={"amount": 1})
    assert refused.status == 404


@pytest.mark.parametrize("account_id", ["house:fees", "escrow:ren_1", "seller:vastai"])
def test_nothing_is_deducted_from_what_is_no_customers(api, account_id):
    assert api("deduct", "service", account_id, body={"amount": 1}).status == 422


def test_a_frozen_account_is_not_charged_and_still_seen(api):
    api.credit(ADA, 10)
    api.made("freeze_account", "admin", ADA, body={"reason": "a stolen card"})
    refused = api("deduct", "service", ADA, body={"amount": 1})
    assert (refused.status, refused.json["type"]) == (409, "/docs/problems#account-frozen")
    assert api.made("get_account", "ada", "me")["state"] == "frozen"
    api.credit(ADA, 1)  # credits arrive
    api.made("unfreeze_account", "admin", ADA, body={"reason": "it was found"})
    api.made("deduct", "service", ADA, body={"amount": 11})


def test_a_closed_account_takes_nothing(api):
    api.made("get_account", "ada", "me")
    api.made("close_account", "admin", ADA, body={"reason": "they asked for it"})
    assert api("deduct", "service", ADA, body={"amount": 1}).json["type"] == "/docs/problems#account-closed"
    assert api("create_deposit", "ada", "me", body={"amount": 1}).status == 409
    assert api("create_withdrawal", "ada", "me", body={"amount": 1, "destination": "b"}).status == 409
    assert api("credit_account", "admin", ADA, body={"amount": 1, "reason": "late"}).status == 409


def test_activity_is_read_in_pages_the_newest_first(api):  # (436)
    for amount in range(1, 8):
        api.credit(ADA, amount)
    first = api.made("list_activity", "ada", "me", query="limit=3")
    second = api.made("list_activity", "ada", "me", query=f"limit=3&cursor={first['next_cursor']}")
    third = api.made("list_activity", "ada", "me", query=f"limit=3&cursor={second['next_cursor']}")
    amounts = [entry["amount"] for page in (first, second, third) for entry in page["entries"]]
    assert amounts == [7, 6, 5, 4, 3, 2, 1]
    assert third["next_cursor"] is None


def test_activity_is_filtered_by_kind_and_time(api):
    api.credit(ADA, 5)
    api.made("deduct", "service", ADA, body={"amount": 1})
    api.clock.tick(hours=1)
    api.made("deduct", "service", ADA, body={"amount": 2})
    api.credit(ADA, 6)

    def seen(query: str) -> list[float]:
        return [entry["amount"] for entry in api.made("list_activity", "ada", "me", query=query)["entries"]]

    assert seen("kind=deduction") == [-2, -1]
    assert seen("kind=nothing-such") == []
    assert seen("until=2026-05-24T11:00:00Z") == [-1, 5]
    assert seen("since=2026-05-24T11:00:00Z&kind=deduction") == [-2]
    for query in ("since=yesterday", "since=2026-05-24T10:00:00", "limit=0", "limit=101", "what=ever"):
        assert api("list_activity", "ada", "me", query=query).status == 422, query
    refused = api("list_activity", "ada", "me", query="since=2026-05-24T11:00:00Z&until=2026-05-24T11:00:00Z")
    assert refused.json["errors"][0]["field"] == "until"


def test_a_rare_kind_is_looked_for_a_bounded_while_and_then_with_a_cursor(api, monkeypatch):
    from gpubroker.ledger.desk import activity

    monkeypatch.setattr(activity, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(activity, "_AT_ONCE", 2)
    api.credit(ADA, 9)
    api.made("deduct", "service", ADA, body={"amount": 1})
    for _ in range(4):
        api.credit(ADA, 1)
    page = api.made("list_activity", "ada", "me", query="kind=deduction")
    assert (page["entries"], bool(page["next_cursor"])) == ([], True)
    page = api.made("list_activity", "ada", "me", query=f"kind=deduction&cursor={page['next_cursor']}")
    assert [entry["amount"] for entry in page["entries"]] == [-1]
    assert page["next_cursor"] is None


def test_a_cursor_of_one_account_is_none_of_another(api):
    for account in (ADA, BOB):
        api.credit(account, 1)
        api.credit(account, 2)
    cursor = api.made("list_activity", "service", ADA, query="limit=1")["next_cursor"]
    assert api("list_activity", "service", BOB, query=f"limit=1&cursor={cursor}").status == 422


def test_the_activity_of_a_house_account_comes_from_all_its_shards(api):
    for _ in range(12):
        api.credit(ADA, 1)
    first = api.made("list_activity", "admin", "house:credits", query="limit=7")
    second = api.made("list_activity", "admin", "house:credits", query=f"limit=7&cursor={first['next_cursor']}")
    moments = [entry["at"] for page in (first, second) for entry in page["entries"]]
    assert moments == sorted(moments, reverse=True)
    assert len(moments) == 12
    assert api("get_account", "ada", "house:credits").status == 404


def test_a_personal_budget_is_shown_with_what_counts_against_it(api):
    told = api.made("set_budget", "ada", "me", body={"budget": {"limit": 50, "alerts": [1, 0.8]}})
    (budget,) = told["budgets"]
    assert (budget["scope"], budget["limit"], budget["month"], budget["remaining"]) == ("account", 50, "2026-05", 50)
    assert budget["alerts"] == [0.8, 1]
    assert api.made("set_budget", "ada", "me", body={"budget": None})["budgets"] == []
    assert api("set_budget", "reader", "me", body={"budget": None}).status == 403
    assert api("set_budget", "service", ADA, body={"budget": None}).status == 403
    for wrong in (
        {"limit": -1},
        {"limit": 1, "alerts": [0]},
        {"limit": 1, "alerts": [1.5]},
        {"limit": 1, "alerts": [0.5, 0.5]},
        {"limit": 1, "alerts": [0.1234]},
        {"limit": 1, "period": "day"},
    ):
        assert api("set_budget", "ada", "me", body={"budget": wrong}).status == 422, wrong
