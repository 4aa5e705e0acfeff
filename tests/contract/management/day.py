"""What the processing tier and an administrator ask management for on a day: each function once."""

from typing import Any

from gpubroker.composition import settlement as composition
from gpubroker.kernel.time import utc_now
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.management.settlement.payouts.file import opened
from gpubroker.management.settlement.payouts.files import BankFiles


def tell_management(day: Any) -> None:
    told = {"orderId": "ord-day", "userId": "usr_day", "status": "pending", "amount": 10}
    trade = told | {"transactionId": "txn-day", "fees": 0.1}
    cluster = {"id": "cl-day", "name": "One", "endpoint": "https://one.example.com", "region": "eu"}
    event = {"eventType": "day.began", "eventData": {"userId": "usr_day"}}
    fees = {"id": "all", "name": "All", "minVolume": 0, "maxVolume": None, "buyerFee": 0.5, "sellerFee": 0.5}
    for _ in range(2):  # the second time it is there already
        day.ask("sync_resources", "service", {"clusterId": "cl-day", "cpu": 1, "gpu": 1, "memory": 1})
        day.ask("update_order", "service", told)
        day.ask("update_transaction", "service", trade)
        day.ask("register_cluster", "service", cluster)
        day.ask("log_audit_event", "service", event)
        day.ask("ingest_analytics", "service", event)
        day.ask("change_fees", "admin", {"buyerFee": 0.5, "sellerFee": 0.5, "tiers": [fees]})
    day.ask("update_transaction", "service", trade | {"status": "completed"})
    day.ask("get_order", "service", order_id="ord-day")
    day.ask("get_transaction", "service", transaction_id="txn-day")
    for name in ("list_orders", "list_transactions"):
        day.ask(name, "service", None, "?userId=usr_day&limit=1")
    for name in ("list_resources", "get_fees", "list_fee_versions", "list_clusters", "list_audit_events"):
        day.ask(name, "service")
    day.ask("list_audit_events", "service", None, "?type=day.began")
    day.ask("list_audit_events", "service", None, "?type=day.began&subject=usr_day")
    day.ask("count_analytics", "service", None, "?type=day.began")
    day.ask("remove_cluster", "service", cluster_id="cl-day")


def settle_trades(day: Any) -> None:
    """Trades of one buyer, who has money: settled, given back, undone; and how their seller is paid."""
    account = {"name": "Acme GPU Ltd", "iban": "DE89370400440532013000"}
    day.ask("set_payee", "admin", {"method": "bank_file", "bankAccount": account}, seller="seller:acme")
    day.ask("get_payee", "admin", seller="seller:acme")
    book = Book()
    book.open("usr_settling")
    book.transfer(Transfer("of the day", "deposit", (Leg("house:clearing", "usr_settling", 100_000_000),)))
    for name in ("settled", "returned", "undone"):
        order = {"orderId": f"ord-{name}", "userId": "usr_settling", "status": "completed", "amount": 10}
        day.ask("update_order", "service", order | {"sellerId": "seller:acme"})
        day.ask("update_transaction", "service", {**order, "transactionId": f"txn-{name}", "fees": 0.1})
        for _ in range(2):
            day.ask("execute_settlement", "service", {"transactionId": f"txn-{name}"})
        day.ask("get_settlement", "service", transaction_id=f"txn-{name}")
    for name in ("settled", "returned"):
        _walk(f"txn-{name}", "check_transaction", "hold_funds", "capture_funds", "share_out", "pay_out", "conclude")
    day.ask("reverse_settlement", "admin", {"reason": "asked for", "amount": 1}, transaction_id="txn-settled")
    day.ask("reverse_settlement", "admin", {"reason": "asked for"}, transaction_id="txn-settled")
    day.ask("reverse_settlement", "admin", {"reason": "asked for"}, transaction_id="txn-undone")
    day.ask("rerun_settlement", "admin", transaction_id="txn-undone")
    _walk("txn-undone", "check_transaction", "cancel_payout", "return_shares", "return_funds", "conclude_undone")
    day.ask("rerun_settlement", "admin", transaction_id="txn-undone")

    payout_id = day.ask("get_settlement", "service", transaction_id="txn-returned").json()["payout"]["payoutId"]
    files = BankFiles()
    file = files.open(opened("pof_of_the_day", utc_now()))
    files.put_in(file, composition.settlements().payout(payout_id), utc_now())
    day.ask("list_payout_files", "admin", None, "?limit=1")
    day.ask("get_payout_file", "admin", file_id="pof_of_the_day")
    for _ in range(2):
        told = {"status": "returned", "reason": "AC04"}
        day.ask("tell_payout_result", "service", told, payout_id=payout_id)
    day.ask("rerun_settlement", "admin", transaction_id="txn-returned")


def _walk(transaction_id: str, *steps: str) -> None:
    """What the workflow does."""
    for step in steps:
        told = {"step": step, "buyer": "usr_settling", "transaction_id": transaction_id}
        composition.settlement_steps().take(told)
