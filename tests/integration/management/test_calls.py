"""How many calls to AWS each thing costs that management is told or asked: counted, so that none is added unseen."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient

from gpubroker.composition import management as composition
from gpubroker.kernel.caller import Caller, Role
from gpubroker.management.analytics.desk import AnalyticsRequest, CountsQuery
from gpubroker.management.audit.log import Wanted
from gpubroker.management.audit.requests import AuditRequest
from gpubroker.management.inventory.desk import ClusterRequest, ResourceSyncRequest
from gpubroker.management.requests import OrderUpdateRequest, TransactionUpdateRequest

SERVICE = Caller(Role.SERVICE, "the-service", "the-service")
ORDER = {"orderId": "ord-1", "userId": "usr_1", "amount": 10}
EVENT = {"eventType": "told", "eventData": {"userId": "usr_1"}}
Counted = Callable[[Callable[[], object]], dict[str, int]]


@pytest.fixture
def counted(table: Any, monkeypatch: pytest.MonkeyPatch) -> Counted:
    made: Counter[str] = Counter()
    real = BaseClient._make_api_call

    def call(client: Any, operation: str, given: dict[str, Any]) -> Any:
        made[operation] += 1
        return real(client, operation, given)

    for name in ("trade_desk", "audit_desk", "analytics_desk", "inventory_desk", "fee_desk"):
        getattr(composition, name).cache_clear()
    monkeypatch.setattr(BaseClient, "_make_api_call", call)

    def count(ask: Callable[[], object]) -> dict[str, int]:
        made.clear()
        ask()
        return dict(made)

    return count


def order(status: str) -> Callable[[], object]:
    wanted = OrderUpdateRequest.model_validate({**ORDER, "status": status})
    return lambda: composition.trade_desk().tell_order(wanted, None)


def trade(status: str) -> Callable[[], object]:
    told = {**ORDER, "transactionId": "txn-1", "fees": 0.1, "status": status}
    wanted = TransactionUpdateRequest.model_validate(told)
    return lambda: composition.trade_desk().tell_transaction(wanted, None)


def test_an_order_and_a_transaction(counted: Counted) -> None:
    once = {"TransactWriteItems": 1}
    assert counted(order("pending")) == once | {"GetItem": 1, "Query": 3}  # fees and both volumes, for a new one
    assert counted(order("active")) == once | {"GetItem": 1}
    assert counted(order("active")) == {"GetItem": 1}  # nothing new is not written
    assert counted(trade("pending")) == once | {"GetItem": 2}
    assert counted(trade("completed")) == once | {"GetItem": 2}
    assert counted(trade("completed")) == {"GetItem": 2}
    desk = composition.trade_desk()
    assert counted(lambda: desk.order("ord-1")) == {"GetItem": 2}
    assert counted(lambda: desk.transaction("txn-1")) == {"GetItem": 2}
    assert counted(lambda: desk.orders_of("usr_1", 20, None)) == {"Query": 1, "BatchGetItem": 1}
    assert counted(composition.fee_desk().in_force) == {"Query": 1}


def test_audit_and_analytics(counted: Counted) -> None:
    audited, event = AuditRequest.model_validate(EVENT), AnalyticsRequest.model_validate(EVENT)
    desk, analytics = composition.audit_desk(), composition.analytics_desk()
    for _ in range(2):
        assert counted(lambda: desk.receive(SERVICE, audited, None)) == {"GetItem": 1, "TransactWriteItems": 1}
    assert counted(lambda: desk.page(Wanted(subject="usr_1"), 10, None)) == {"Query": 1, "BatchGetItem": 1}
    assert counted(lambda: desk.page(Wanted(), 10, None)) == {"Query": 8, "BatchGetItem": 1}
    assert counted(lambda: analytics.ingest(event, None)) == {"GetItem": 1, "TransactWriteItems": 2}  # a new type
    assert counted(lambda: analytics.ingest(event, None)) == {"TransactWriteItems": 1}
    assert counted(lambda: analytics.counts(CountsQuery(type="told"))) == {"Query": 1}


def test_clusters_and_resources(counted: Counted) -> None:
    cluster = {"id": "cl-1", "name": "One", "endpoint": "https://one.example.com", "region": "eu"}
    wanted = ClusterRequest.model_validate(cluster)
    synced = ResourceSyncRequest.model_validate({"clusterId": "cl-1", "cpu": 1, "gpu": 1, "memory": 1})
    desk = composition.inventory_desk()
    for _ in range(2):
        assert counted(lambda: desk.register(wanted, None)) == {"GetItem": 1, "TransactWriteItems": 1}
        assert counted(lambda: desk.sync(synced, None)) == {"TransactWriteItems": 1}
    assert counted(lambda: desk.clusters(1000, None)) == {"Query": 1}
    assert counted(lambda: desk.remove("cl-1")) == {"TransactWriteItems": 1}
