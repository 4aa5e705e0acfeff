"""Deposits and withdrawals: requests with states, and the book moves with them. # 439"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpubroker.ledger.problems import AccountNotFound
from tests.integration.accounts.conftest import ADA, BOB, ROOT


def payment(kind, deposit, **more):
    return {
        "detail-type": kind,
        "source": "gpubroker.billing",
        "detail": {
            "payment_id": "pay_1",
            "account_id": deposit["account_id"],
            "amount_micros": deposit["amount_micros"],
            "currency": "USD",
            "purpose": "deposit",
            "reference": deposit["deposit_id"],
            "processor": "simulated",
            "at": "2026-05-24T10:00:05.000Z",
            "traceparent": None,
            "correlation_id": None,
            **more,
        },
    }


def deliver(*events) -> list[str]:
    """What the queue brings to the function; the numbers of those that failed."""
    from ledger import settle_deposits

    records = [
        {"messageId": str(number), "body": json.dumps(event), "eventSource": "aws:sqs"}
        for number, event in enumerate(events)
    ]
    answer = settle_deposits.handler({"Records": records}, None)
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def deposit(api, amount=25, **more):
    return api.made("create_deposit", "ada", "me", body={"amount": amount, **more})


def look(api, one):
    return api.made("get_deposit", "ada", "me", one["deposit_id"])


def test_a_deposit_is_asked_for_and_told_to_billing(api):
    reply = api("create_deposit", "ada", "me", body={"amount": 25.5, "payment_method_id": "pm_1"})
    one = reply.json
    assert (reply.status, one["status"], one["amount_micros"]) == (201, "requested", 25_500_000)
    assert reply.headers["location"] == f"/api/v1/accounts/{ADA}/deposits/{one['deposit_id']}"
    (told,) = [event["data"] for event in api.told("DepositRequested")]
    assert {name: told[name] for name in ("deposit_id", "account_id", "amount_micros", "payment_method_id")} == {
        "deposit_id": one["deposit_id"],
        "account_id": ADA,
        "amount_micros": 25_500_000,
        "payment_method_id": "pm_1",
    }
    assert api.balance(ADA) == (0, 0, 0)


def test_a_deposit_is_credited_once_however_often_its_payment_is_told(api):
    one = deposit(api)
    assert deliver(payment("PaymentStarted", one)) == []
    assert look(api, one)["status"] == "processing"
    assert deliver(payment("PaymentSucceeded", one), payment("PaymentSucceeded", one)) == []
    assert deliver(payment("PaymentSucceeded", one)) == []
    seen = look(api, one)
    assert (seen["status"], seen["payment_id"], seen["credited"]) == ("completed", "pay_1", 25)
    assert api.balance(ADA) == (25, 0, 25)
    (entry,) = api.made("list_activity", "ada", "me")["entries"]
    assert (entry["kind"], entry["counterparties"]) == ("deposit", ["house:clearing"])
    assert entry["reference"] == {"payment_id": "pay_1", "account_id": ADA, "deposit_id": one["deposit_id"]}


def test_a_payment_told_by_two_at_once_is_credited_once(api):
    one = deposit(api)
    with ThreadPoolExecutor(4) as together:
        outcomes = list(together.map(lambda _: deliver(payment("PaymentSucceeded", one)), range(4)))
    assert outcomes == [[]] * 4
    assert api.balance(ADA) == (25, 0, 25)


def test_a_payment_that_failed_says_why_and_credits_nothing(api):
    one = deposit(api)
    deliver(payment("PaymentFailed", one, failure="card declined"))
    assert (look(api, one)["status"], look(api, one)["detail"]) == ("failed", "card declined")
    assert api.balance(ADA) == (0, 0, 0)


def test_what_really_was_paid_counts_whatever_was_heard_before(api):
    """The facts of one payment may come in any order; a second card may work."""
    one = deposit(api)
    deliver(payment("PaymentFailed", one))
    deliver(payment("PaymentSucceeded", one, payment_id="pay_2", amount_micros=20_000_000))
    deliver(payment("PaymentFailed", one), payment("PaymentStarted", one))
    seen = look(api, one)
    assert (seen["status"], seen["credited"], seen["payment_id"]) == ("completed", 20, "pay_2")
    assert api.balance(ADA) == (20, 0, 20)


def test_a_deposit_is_cancelled_before_its_payment_begins_and_not_after(api):
    one, other = deposit(api), deposit(api)
    assert api.made("cancel_deposit", "ada", "me", one["deposit_id"])["status"] == "cancelled"
    assert api.made("cancel_deposit", "ada", "me", one["deposit_id"])["status"] == "cancelled"
    deliver(payment("PaymentStarted", other))
    assert api("cancel_deposit", "ada", "me", other["deposit_id"]).json["type"].endswith("deposit-not-cancellable")
    assert [event["data"]["state"] for event in api.told("DepositChanged")] == ["cancelled", "processing"]
    deliver(payment("PaymentSucceeded", one))  # it was faster
    assert (look(api, one)["status"], api.balance(ADA)) == ("completed", (25, 0, 25))


def test_a_refund_takes_back_what_the_payment_brought_once(api):
    one = deposit(api)
    deliver(payment("PaymentSucceeded", one))
    for _ in range(2):
        assert deliver(payment("PaymentRefunded", one)) == []
    seen = look(api, one)
    assert (seen["status"], seen["credited"], seen["detail"]) == ("completed", 0, "The payment was refunded.")
    assert (api.balance(ADA), api.balance("house:clearing")) == ((0, 0, 0), (0, 0, 0))


def test_a_refund_of_what_is_spent_or_not_yet_heard_of_waits_in_the_queue(api):
    one, other = deposit(api), deposit(api)
    assert deliver(payment("PaymentRefunded", other, payment_id="pay_2")) == ["0"]  # before its success was told
    deliver(payment("PaymentSucceeded", one))
    api.made("deduct", "service", ADA, body={"amount": 20})
    assert deliver(payment("PaymentRefunded", one)) == ["0"]
    assert (look(api, one)["credited"], api.balance(ADA)) == (25, (5, 0, 5))
    api.credit(ADA, 20)
    assert deliver(payment("PaymentRefunded", one)) == []
    assert api.balance(ADA) == (0, 0, 0)


def test_a_deposit_is_whole_cents(api):
    refused = api("create_deposit", "ada", "me", body={"amount": 1.005})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "amount")


def test_one_bad_payment_does_not_hold_up_the_others(api):
    one = deposit(api)
    good = payment("PaymentSucceeded", one)
    bad = [
        payment("PaymentSucceeded", one, currency="EUR", payment_id="pay_2"),
        payment("PaymentSucceeded", one, amount_micros=-5, payment_id="pay_3"),
        payment("PaymentSucceeded", one, amount_micros=1.5, payment_id="pay_4"),
        {"detail-type": "PaymentSucceeded", "detail": {"purpose": "deposit"}},
    ]
    assert deliver(bad[0], bad[1], good, bad[2], bad[3]) == ["0", "1", "3", "4"]
    assert api.balance(ADA) == (25, 0, 25)


def test_a_payment_for_something_else_is_not_ours(api):
    one = deposit(api)
    assert deliver(payment("PaymentSucceeded", one, purpose="invoice")) == []
    assert (look(api, one)["status"], api.balance(ADA)) == ("requested", (0, 0, 0))


def test_a_payment_that_nobody_asked_for_here_is_credited_all_the_same(api):
    api.made("get_account", "ada", "me")
    assert (
        deliver(payment("PaymentSucceeded", {"account_id": ADA, "amount_micros": 7_000_000, "deposit_id": None})) == []
    )
    assert api.balance(ADA) == (7, 0, 7)


def test_money_for_a_closed_account_is_kept_in_the_books_for_who_gives_it_back(api):
    one = deposit(api)
    api.made("close_account", "admin", ADA, body={"reason": "they left"})
    assert deliver(payment("PaymentSucceeded", one), payment("PaymentSucceeded", one)) == []
    assert api.balance("house:adjustments") == (25, 0, 25)
    assert api.balance("house:clearing") == (-25, 0, -25)
    assert look(api, one)["status"] == "failed"


def test_the_same_key_asks_for_one_deposit(api):
    first = api.made("create_deposit", "ada", "me", body={"amount": 5}, key="k")
    assert api.made("create_deposit", "ada", "me", body={"amount": 5}, key="k") == first
    assert api("create_deposit", "ada", "me", body={"amount": 6}, key="k").status == 422
    assert len(api.made("list_deposits", "ada", "me")["deposits"]) == 1
    kept = [item for item in api.state() if "#IDEMPOTENCY#" in item["pk"]]
    assert [item.get("expires_at") for item in kept] == [None]  # where money moves, a key is kept for ever


def test_deposits_and_withdrawals_are_read_in_pages_by_those_who_may(api):
    api.credit(ADA, 10)
    for amount in (1, 2, 3):
        deposit(api, amount)
        api.made("create_withdrawal", "ada", "me", body={"amount": amount, "destination": "my bank"})
    for handler, field in (("list_deposits", "deposits"), ("list_withdrawals", "withdrawals")):
        first = api.made(handler, "ada", "me", query="limit=2")
        second = api.made(handler, "ada", "me", query=f"limit=2&cursor={first['next_cursor']}")
        assert [one["amount"] for page in (first, second) for one in page[field]] == [3, 2, 1]
        assert second["next_cursor"] is None
    one = api.made("list_deposits", "ada", "me")["deposits"][0]
    assert api("get_deposit", "bob", ADA, one["deposit_id"]).status == 404
    assert api("get_deposit", "bob", "me", one["deposit_id"]).status == 404
    assert api("cancel_deposit", "bob", ADA, one["deposit_id"]).status == 404
    assert api("create_deposit", "reader", "me", body={"amount": 1}).status == 403
    assert api("create_withdrawal", "agent", "me", body={"amount": 1, "destination": "mine"}).status == 403


# ------------------------------------------------------------ withdrawals


def withdraw(api, amount=4):
    return api.made("create_withdrawal", "ada", "me", body={"amount": amount, "destination": "DE89 3704 0044"})


def decide(api, one, decision, reason="checked"):
    body = {"decision": decision, "reason": reason}
    return api("decide_withdrawal", "admin", ADA, one["withdrawal_id"], body=body)


def test_a_withdrawal_holds_is_approved_and_leaves(api):
    api.credit(ADA, 10)
    one = withdraw(api)
    assert (one["status"], api.balance(ADA)) == ("requested", (10, 4, 6))
    assert decide(api, one, "approve").json["status"] == "approved"
    assert api.balance(ADA) == (10, 4, 6)
    assert decide(api, one, "pay").json["status"] == "paid"
    assert decide(api, one, "pay").json["status"] == "paid"  # asking twice pays once
    assert api.balance(ADA) == (6, 0, 6)
    assert api.balance("house:clearing") == (4, 0, 4)
    audited = [event["data"] for event in api.told("AdminIntervention") if event["data"]["action"] != "credit"]
    assert [(one["action"], one["by"], one["reason"]) for one in audited] == [
        ("withdrawal-approved", ROOT, "checked"),
        ("withdrawal-paid", ROOT, "checked"),
    ]


@pytest.mark.parametrize("first", [None, "approve"])
def test_a_rejected_withdrawal_gives_back_what_it_held(api, first):
    api.credit(ADA, 10)
    one = withdraw(api)
    if first:
        decide(api, one, first)
    assert decide(api, one, "reject", "an unknown bank").json["reason"] == "an unknown bank"
    assert api.balance(ADA) == (10, 0, 10)
    assert decide(api, one, "approve").json["type"].endswith("withdrawal-decided")
    assert decide(api, one, "pay").status == 409


def test_a_withdrawal_is_cancelled_by_its_owner_until_it_is_decided(api):
    api.credit(ADA, 10)
    one, other = withdraw(api), withdraw(api)
    assert api("cancel_withdrawal", "bob", ADA, one["withdrawal_id"]).status == 404
    assert api.made("cancel_withdrawal", "ada", "me", one["withdrawal_id"])["status"] == "cancelled"
    assert api.balance(ADA) == (10, 4, 6)
    decide(api, other, "approve")
    assert api("cancel_withdrawal", "ada", "me", other["withdrawal_id"]).status == 409


def test_nobody_is_paid_who_was_not_approved(api):
    api.credit(ADA, 10)
    one = withdraw(api)
    assert decide(api, one, "pay").status == 409
    assert api.balance(ADA) == (10, 4, 6)


def test_more_than_there_is_cannot_be_withdrawn(api):
    api.credit(ADA, 10)
    withdraw(api, 7)
    refused = api("create_withdrawal", "ada", "me", body={"amount": 4, "destination": "my bank"})
    assert (refused.status, refused.json["type"]) == (402, "/docs/problems#insufficient-funds")
    assert len(api.made("list_withdrawals", "ada", "me")["withdrawals"]) == 1


def test_the_same_key_withdraws_once(api):
    api.credit(ADA, 10)
    body = {"amount": 6, "destination": "my bank"}
    first = api.made("create_withdrawal", "ada", "me", body=body, key="k")
    assert api.made("create_withdrawal", "ada", "me", body=body, key="k") == first
    assert api("create_withdrawal", "ada", "me", body=body | {"amount": 5}, key="k").status == 422
    assert api.balance(ADA) == (10, 6, 4)


def test_paid_and_rejected_at_once_is_one_of_them(api):
    api.credit(ADA, 10)
    one = withdraw(api)
    decide(api, one, "approve")
    with ThreadPoolExecutor(2) as together:
        replies = list(together.map(lambda what: decide(api, one, what), ("pay", "reject")))
    assert sorted(reply.status for reply in replies) == [200, 409]
    paid = api.made("get_withdrawal", "ada", "me", one["withdrawal_id"])["status"] == "paid"
    assert api.balance(ADA) == ((6, 0, 6) if paid else (10, 0, 10))


def test_administrators_find_what_waits_for_them_the_oldest_first(api):
    api.credit(ADA, 10)
    api.credit(BOB, 10)
    first = withdraw(api)
    second = api.made("create_withdrawal", "bob", "me", body={"amount": 1, "destination": "his bank"})
    third = withdraw(api)
    page = api.made("list_open_withdrawals", "admin", query="limit=2")
    onward = api.made("list_open_withdrawals", "admin", query=f"limit=2&cursor={page['next_cursor']}")
    found = [one["withdrawal_id"] for part in (page, onward) for one in part["withdrawals"]]
    assert found == [one["withdrawal_id"] for one in (first, second, third)]
    decide(api, first, "reject")
    assert len(api.made("list_open_withdrawals", "admin")["withdrawals"]) == 2
    assert api("list_open_withdrawals", "ada").status == 403


def test_the_account_of_who_registers_is_opened_once(api):
    from ledger import open_account

    told = {"detail-type": "UserRegistered", "detail": {"user_id": ADA, "traceparent": None, "correlation_id": None}}
    records = [{"messageId": "1", "body": json.dumps(told), "eventSource": "aws:sqs"}]
    with pytest.raises(AccountNotFound):
        api.book.account(ADA)
    for _ in range(2):
        assert open_account.handler({"Records": records}, None) == {"batchItemFailures": []}
    assert api.book.account(ADA).state == "open"
