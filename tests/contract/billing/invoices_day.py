"""Payments and invoices, each function once."""

import json
import time
from typing import Any

from gpubroker.billing.invoices.invoice import State
from gpubroker.ledger.book import Book, Leg, Transfer
from infra.local.providers.payments import signed
from tests.contract.billing.things import billed


def invoice_a_day(day: Any, user_id: str, other_id: str) -> None:
    """day: a Day of tests/contract/test_each_function.py; user_id: of its caller `free`."""
    Book().open(user_id)
    for token in ("tok_visa", "tok_amex"):
        card = day.ask("add_payment_method", "free", {"token": token}).json()["payment_method_id"]
    day.ask("list_payment_methods", "free")
    day.ask("remove_payment_method", "free", payment_method_id=card)
    one = billed(user_id, state=State.PAID)
    news = {"reference": one.payment_id, "id": "ch_1", "status": "succeeded", "amount": 500, "currency": "usd"}
    body = json.dumps({"type": "payment.succeeded", "data": news}).encode()
    day.ask("receive_payment_webhook", "anonymous", body, "", signed("msg_1", int(time.time()), body))
    day.ask("list_payments", "free")
    assert day.ask("get_payment", "free", payment_id=one.payment_id).json()["state"] == "succeeded"
    Book().transfer(Transfer(f"txn_{user_id}", "deposit", (Leg("house:clearing", user_id, 5_000_000),)))
    day.ask("refund_payment", "admin", {"reason": "asked for"}, payment_id=one.payment_id)
    day.ask("list_invoices", "free")
    for name in ("get_invoice", "get_invoice_pdf", "get_invoice_csv"):
        day.ask(name, "free", invoice_id=one.invoice_id)
    day.ask("list_line_events", "free", invoice_id=one.invoice_id, line="1")
    day.ask("find_usage_event", "free", None, "?instance_id=i-1&hour=2026-10-10T12:00:00Z", event_id="evt-1")
    reason = {"reason": "a fault of ours"}
    wanted = reason | {"lines": [{"line": 1, "amount": 0.5}]}
    day.ask("create_credit_note", "admin", wanted, invoice_id=one.invoice_id)
    assert len(day.ask("list_credit_notes", "free", invoice_id=one.invoice_id).json()["credit_notes"]) == 1
    day.ask("void_invoice", "admin", reason, invoice_id=billed(other_id).invoice_id)
    day.ask("request_invoice_run", "admin", reason | {"period": "2026-01"})
