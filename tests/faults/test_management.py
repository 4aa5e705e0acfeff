"""Each call to DynamoDB in turn fails before it, or after it took effect, while management takes what it is told.

What comes by a queue is delivered again until it was taken; a caller asks again, with the same key. After that every
order, transaction, entry and count is there once, every fact of them waits once, and the audit log is whole.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
import orjson
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError

from gpubroker.composition import management as composition
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.analytics.desk import AnalyticsRequest, CountsQuery
from gpubroker.management.audit.log import AuditLog
from gpubroker.management.audit.requests import AuditRequest
from gpubroker.management.audit.verify import verify
from gpubroker.management.inventory.desk import ClusterRequest
from gpubroker.management.rental_orders import transaction_id_of
from gpubroker.management.requests import FeeChangeRequest, OrderUpdateRequest, TransactionUpdateRequest
from gpubroker.management.trades import Trades
from infra.rules.templates import ROOT
from management import follow_rentals, record_facts
from tests.faults.driver import empty

RENTAL = "ren_01KSCPQP650KCY29RB756MGB45"
SERVICE = Caller(Role.SERVICE, "the-service", "the-service")
_FACTORIES = ("trade_desk", "fee_desk", "audit_desk", "analytics_desk", "inventory_desk", "rental_orders")


@dataclass
class Line:
    """DynamoDB behind a line that breaks once, at a call that is counted from 0, before or after it took effect."""

    breaks_at: int | None = None
    after: bool = False
    calls: int = 0
    broke: str | None = None
    real: Callable[..., Any] = field(default=BaseClient._make_api_call)

    def call(self, client: Any, operation: str, given: dict[str, Any]) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number != self.breaks_at:
            return self.real(client, operation, given)
        self.broke = operation
        if self.after:
            self.real(client, operation, given)
        raise ConnectionClosedError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


@pytest.fixture
def tables(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "management-under-faults"
    monkeypatch.setenv("MANAGEMENT_TABLE", name)
    if name not in boto3.client("dynamodb").list_tables()["TableNames"]:
        from tests.faults.conftest import _create

        _create(name)
    yield name
    empty()


@pytest.fixture
def played(tables: str) -> Callable[[Callable[[], None], Line], Line]:
    def play(scenario: Callable[[], None], line: Line) -> Line:
        empty()
        for name in _FACTORIES:
            getattr(composition, name).cache_clear()
        with patch.object(BaseClient, "_make_api_call", lambda *call: line.call(*call)), patch("time.sleep"):
            scenario()
        return line

    return play


def delivered(handler: Callable[[Any, Any], Any], *facts: dict[str, Any]) -> None:
    """A queue: what was not taken comes again, and what was taken comes once more at the end."""
    waiting = {str(number): json.dumps(one) for number, one in enumerate(facts)}
    for _ in range(4):
        records = [{"messageId": name, "body": body} for name, body in waiting.items()]
        answer = handler({"Records": records}, None)
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        waiting = {name: body for name, body in waiting.items() if name in failed}
        if not waiting:
            break
    assert not waiting
    handler({"Records": [{"messageId": "again", "body": json.dumps(facts[-1])}]}, None)


def insisting(ask: Callable[[Idempotency], object], key: str) -> None:
    """A caller who asks again after a server error."""
    once = Idempotency.of(key, tenant="the-service", route="POST /x", body=b"{}")
    for _ in range(3):
        try:
            ask(once)
            return
        except Exception as error:
            if type(error).__module__.startswith("gpubroker"):
                raise
    raise AssertionError("it never went through")


def sample(context: str, kind: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((ROOT / "events" / context / f"{kind}.v1.json").read_text())
    return told


def a_rental() -> None:
    for kind in ("RentalRequested", "RentalReady", "RentalEnded"):
        delivered(follow_rentals.handler, sample("rentals", kind))


def facts_to_record() -> None:
    told = [sample("management", "FeesChanged"), sample("identity", "UserStatusChanged")]
    delivered(record_facts.handler, *told)


def a_trade_that_is_told() -> None:
    told = {"orderId": "ord-1", "userId": "usr_1", "status": "pending", "amount": 10}
    trade = told | {"transactionId": "txn-1", "fees": 0.1, "status": "completed"}
    order, transaction = json.dumps(told), json.dumps(trade)
    desk = composition.trade_desk()
    insisting(lambda once: desk.tell_order(OrderUpdateRequest.model_validate_json(order), once), "order")
    wanted = TransactionUpdateRequest.model_validate_json(transaction)
    insisting(lambda once: desk.tell_transaction(wanted, once), "transaction")


def the_rest() -> None:
    event = json.dumps({"eventType": "told", "eventData": {"userId": "usr_1"}})
    cluster = json.dumps({"id": "cl-1", "name": "One", "endpoint": "https://one.example.com", "region": "eu"})
    fees = json.dumps({"buyerFee": 1, "sellerFee": 1, "tiers": []})
    audited, counted = AuditRequest.model_validate_json(event), AnalyticsRequest.model_validate_json(event)
    insisting(lambda once: composition.audit_desk().receive(SERVICE, audited, once), "audit")
    insisting(lambda once: composition.analytics_desk().ingest(counted, once), "analytics")
    wanted = ClusterRequest.model_validate_json(cluster)
    insisting(lambda once: composition.inventory_desk().register(wanted, once), "cluster")
    change = FeeChangeRequest.model_validate_json(fees)
    insisting(lambda once: composition.fee_desk().change(SERVICE, change, once), "fees")


def outbox(table: str) -> Counter[tuple[str, str]]:
    """(type, state or number) of each fact that waits."""
    items = boto3.resource("dynamodb").Table(table).scan()["Items"]
    told = [orjson.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
    return Counter((one["type"], str(one["data"].get("status", one["data"].get("version")))) for one in told)


def rental_is_right(table: str) -> None:
    order, trade = Trades().order(RENTAL), Trades().transaction(transaction_id_of(RENTAL))
    assert (order.status, order.traded, trade.buyer_pays) == ("completed", order.amount, 1_000_000)
    states = [("OrderUpdated", state) for state in ("pending", "active", "completed")]
    assert outbox(table) == Counter([*states, ("TransactionUpdated", "completed")])


def facts_are_right(table: str) -> None:
    report = verify(AuditLog())
    assert (report.entries, report.findings) == (2, ())


def trade_is_right(table: str) -> None:
    assert Trades().order("ord-1").traded == Trades().transaction("txn-1").amount == 10_000_000
    assert outbox(table) == Counter([("OrderUpdated", "pending"), ("TransactionUpdated", "completed")])


def rest_is_right(table: str) -> None:
    report = verify(AuditLog())
    assert (report.entries, report.findings) == (1, ())
    assert composition.analytics_desk().counts(CountsQuery(type="told")).total == 1
    page, _ = composition.inventory_desk().clusters(10, None)
    assert [one.id for one in page.clusters] == ["cl-1"]
    assert composition.fee_desk().in_force().version == 1
    assert outbox(table) == Counter([("FeesChanged", "1")])


SCENARIOS = [
    (a_rental, rental_is_right),
    (facts_to_record, facts_are_right),
    (a_trade_that_is_told, trade_is_right),
    (the_rest, rest_is_right),
]


@pytest.mark.parametrize(("scenario", "is_right"), SCENARIOS, ids=lambda one: one.__name__)
def test_whichever_call_fails_everything_is_there_once(
    played: Callable[..., Line], tables: str, scenario: Callable[[], None], is_right: Callable[[str], None]
) -> None:
    calls = played(scenario, Line()).calls
    is_right(tables)
    struck: Counter[str] = Counter()
    for number in range(calls):
        for after in (False, True):
            line = played(scenario, Line(breaks_at=number, after=after))
            is_right(tables)
            struck[line.broke or "nothing"] += 1
    assert struck["TransactWriteItems"] > 0
    assert struck["nothing"] == 0
    assert sum(struck.values()) == 2 * calls
