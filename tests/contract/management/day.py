"""What the processing tier and an administrator ask management for on a day: each function once."""

from typing import Any


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
