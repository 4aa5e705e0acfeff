"""Settlement over the API: the seed's body and message to the letter, and everything that is refused. # (34)-(38)"""

from typing import Any

import pytest

from gpubroker.composition import settlement as composition
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.management.settlement.settlement import State
from tests.contract.callers import Callers
from tests.contract.house import House, Reply
from tests.contract.management.test_api import order, refused, service, trade

__all__ = ["service"]

USD = 1_000_000
STEPS = ("check_transaction", "hold_funds", "capture_funds", "share_out", "pay_out", "conclude")


def told(service: Any, name: str, status: str = "completed", **changes: Any) -> str:
    """An order with its transaction; the transaction's id."""
    who = {"userId": changes.pop("userId", "usr_a")}
    service("POST", "/orders/update", order(f"ord-{name}", "completed", sellerId="seller:acme", **who))
    reply = service("POST", "/transactions/update", trade(f"txn-{name}", f"ord-{name}", status, **who, **changes))
    assert reply.status == 200, reply.text
    return f"txn-{name}"


def execute(service: Any, transaction_id: Any, **more: Any) -> Reply:
    reply: Reply = service("POST", "/settlement/execute", {"transactionId": transaction_id}, **more)
    return reply


def walk(transaction_id: str, buyer: str = "usr_a") -> None:
    """What the workflow does."""
    for step in STEPS:
        composition.settlement_steps().take({"step": step, "buyer": buyer, "transaction_id": transaction_id})


def settled(service: Any, name: str, buyer: str = "usr_a") -> str:
    book = Book()
    book.open(buyer)
    deposit = (Leg("house:clearing", buyer, 1005 * USD),)
    book.transfer(Transfer(f"deposit-{name}", "deposit", deposit))
    transaction_id = told(service, name, userId=buyer)
    assert execute(service, transaction_id).status == 200
    walk(transaction_id, buyer)
    return transaction_id


def test_an_instruction_is_answered_to_the_letter_and_again(service: Any) -> None:  # (34)-(37)
    transaction_id = told(service, "letter")
    for who in ("service", "admin", "service"):
        reply = execute(service, transaction_id, who=who)
        assert (reply.status, reply.json()) == (200, {"success": True, "message": "Settlement instruction received"})
    seen = service("GET", f"/settlement/{transaction_id}").json()
    assert [one["state"] for one in seen["states"]] == ["received"]
    assert (seen["buyerPays"], seen["sellerReceives_micros"]) == (1005, 995 * USD)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"transactionId": 5},
        {"transactionId": None},
        {"transactionId": ""},
        {"transactionId": "a#b"},
        {"transactionId": "x" * 129},
        {"transactionId": "txn-1", "amount": 5},
        {"transactionID": "txn-1"},
        "{not json",
        '{"transactionId": "a", "transactionId": "b"}',
        "[]",
    ],
)
def test_what_is_no_instruction_is_refused_with_its_field(service: Any, body: Any) -> None:  # (35), (55)
    refused(service("POST", "/settlement/execute", body), 400)


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_is_open_or_failed_is_not_settled_and_nothing_is_changed(service: Any, status: str) -> None:  # (37)
    transaction_id = told(service, f"is-{status}", status)
    refused(execute(service, transaction_id), 409, status)
    refused(service("GET", f"/settlement/{transaction_id}"), 404)
    assert service("GET", f"/transactions/{transaction_id}").json()["status"] == status


def test_what_is_unknown_or_over_nothing_is_not_settled(service: Any) -> None:
    refused(execute(service, "txn-nobody"), 404, "txn-nobody")
    refused(service("GET", "/settlement/txn-nobody"), 404)
    nothing = told(service, "nothing", amount=0, fees=0)
    refused(execute(service, nothing), 409, "over nothing")


def test_a_part_and_all_of_a_trade_are_given_back(service: Any) -> None:  # (38)
    transaction_id = settled(service, "back")
    path, body = f"/settlement/{transaction_id}/reverse", {"amount": 100.5, "reason": "late"}
    refused(service("POST", path, body, who="admin"), 400, "Idempotency-Key")
    part = service("POST", path, body, who="admin", idempotency_key="part")
    assert (part.status, part.json()["refunded"], part.json()["state"]) == (200, 100.5, "settled")
    again = service("POST", path, body, who="admin", idempotency_key="part")
    assert (again.status, again.json()["refunded_micros"]) == (200, 100_500_000)
    refused(service("POST", path, body | {"amount": 1}, who="admin", idempotency_key="part"), 400)
    for amount in (0, -1, 904.500001, 0.0000001, 1e13, "5", True):
        wrong = {"amount": amount, "reason": "late"}
        refused(service("POST", path, wrong, who="admin", idempotency_key=f"wrong-{amount}"), 400, "amount")
    refused(service("POST", path, {"amount": 1}, who="admin", idempotency_key="why"), 400, "reason")
    whole = service("POST", path, {"reason": "late"}, who="admin", idempotency_key="whole").json()
    assert (whole["state"], whole["refunded"]) == ("reversed", 1005)
    assert service("POST", path, {"reason": "late"}, who="admin", idempotency_key="whole").status == 200
    refused(service("POST", path, {"reason": "late"}, who="admin", idempotency_key="more"), 409, "reversed")
    refused(execute(service, transaction_id), 409, "reversed")  # (37)
    assert service("GET", f"/transactions/{transaction_id}").json()["status"] == "reversed"
    kinds = [one["kind"] for one in service("GET", f"/settlement/{transaction_id}").json()["receipts"]]
    assert kinds == ["payment", "proceeds", *["refund", "deduction"] * 2]


def test_what_is_not_settled_can_only_be_undone_whole(service: Any) -> None:
    transaction_id = told(service, "whole")
    execute(service, transaction_id)
    path = f"/settlement/{transaction_id}/reverse"
    refused(service("POST", path, {"amount": 1, "reason": "x"}, who="admin", idempotency_key="a"), 409, "whole")
    turned = service("POST", path, {"reason": "x"}, who="admin", idempotency_key="b")
    assert (turned.status, turned.json()["state"]) == (200, "undoing")
    composition.settlement_steps().take({"step": "conclude_undone", "buyer": "usr_a", "transaction_id": transaction_id})
    repeated = service("POST", path, {"reason": "x"}, who="admin", idempotency_key="b")
    assert (repeated.status, repeated.json()["state"]) == (200, "undoing")  # the stored answer
    refused(execute(service, transaction_id), 409, "undone")
    assert service("POST", f"/settlement/{transaction_id}/rerun", who="admin").json()["state"] == "received"


def test_a_buyer_sees_their_own_settlement_and_receipt_and_nobody_elses(
    service: Any, house: House, callers: Callers
) -> None:
    transaction_id = settled(service, "mine", callers["free"].tenant)
    path = f"/settlement/{transaction_id}"
    mine = service("GET", path, who="free").json()
    assert [one["kind"] for one in mine["receipts"]] == ["payment"]
    assert mine["payout"] is None
    for who in ("other", "pro", "agent"):
        refused(service("GET", path, who=who), 404)
    assert len(service("GET", path, who="admin").json()["receipts"]) == 2


def test_a_payee_and_its_bank_account(service: Any) -> None:
    path = "/payees/seller:bank"
    assert service("GET", path, who="admin").json()["method"] == "account"
    wrong = {"method": "bank_file", "bankAccount": {"name": "A", "iban": "DE00370400440532013000"}}
    refused(service("PUT", path, wrong, who="admin"), 400, "iban")
    refused(service("PUT", "/payees/usr_a", {"method": "account"}, who="admin"), 400, "seller")
    right = {"method": "bank_file", "bankAccount": {"name": "A", "iban": "DE89370400440532013000"}}
    for _ in range(2):
        told_back = service("PUT", path, right, who="admin")
        assert (told_back.status, told_back.json()["bankAccount"]) == (200, "****3000")
    assert "DE89" not in service("GET", path, who="admin").text


def test_a_banks_word_is_of_a_payout_that_was_sent(service: Any) -> None:
    refused(service("POST", "/payouts/pay_nobody/result", {"status": "paid"}), 404)
    refused(service("POST", "/payouts/pay_nobody/result", {"status": "lost"}), 400, "status")
    transaction_id = settled(service, "kept")
    payout = service("GET", f"/settlement/{transaction_id}").json()["payout"]
    assert payout["state"] == "kept"
    refused(service("POST", f"/payouts/{payout['payoutId']}/result", {"status": "paid"}), 409, "kept")
    refused(service("POST", f"/settlement/{transaction_id}/rerun", who="admin"), 409)
    refused(service("GET", "/payouts/files/pof_nobody", who="admin"), 404)
    assert service("GET", "/payouts/files", who="admin").json() == {"files": [], "next_cursor": None}


def test_a_refusal_of_the_ledger_is_shown_with_its_reason(service: Any) -> None:
    book = Book()
    book.open("usr_poor")
    transaction_id = told(service, "poor", userId="usr_poor")
    execute(service, transaction_id)
    steps = composition.settlement_steps()
    work = {"buyer": "usr_poor", "transaction_id": transaction_id}
    steps.take(work | {"step": "check_transaction"})
    with pytest.raises(Exception, match="insufficient-funds") as error:
        steps.take(work | {"step": "hold_funds"})
    cause = '{"errorMessage": "' + str(error.value) + '"}'
    steps.take(work | {"step": "turn_back", "error": {"Error": "FundsRefused", "Cause": cause}})
    for step in ("cancel_payout", "return_shares", "return_funds", "conclude_undone"):
        steps.take(work | {"step": step})
    seen = service("GET", f"/settlement/{transaction_id}").json()
    assert (seen["state"], seen["reason"]) == (State.REFUSED, "insufficient-funds")
    assert "micro-dollars" in seen["detail"]
    assert service("GET", f"/transactions/{transaction_id}").json()["status"] == "completed"
