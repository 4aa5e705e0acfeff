"""A rental makes its order and its transactions by itself, from the facts that rentals publish."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from gpubroker.management.fee_store import FeeBook
from gpubroker.management.order import Order
from gpubroker.management.rental_orders import RentalOrders, transaction_id_of
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.trades import Trades
from gpubroker.management.transaction import Transaction
from gpubroker.management.volumes import Volumes
from infra.rules.templates import ROOT
from tests.unit.management.making import NOW

EVENTS = ROOT / "events" / "rentals"
RENTAL, USER = "ren_01KSCPQP650KCY29RB756MGB45", "usr_01KSCN0000000000000000000A"
Outbox = Callable[[], list[dict[str, Any]]]


def fact(kind: str, **data: Any) -> dict[str, Any]:
    """The sample of a fact, as the bus delivers it, with some of its data changed."""
    told: dict[str, Any] = json.loads((EVENTS / f"{kind}.v1.json").read_text())
    told["detail"]["data"] |= data
    return told


@pytest.fixture
def orders(table: Any) -> RentalOrders:
    return RentalOrders(trades=Trades(), fees=FeeBook(), volumes=Volumes(), clock=lambda: NOW)


def order() -> Order:
    return Trades().order(RENTAL)


def trade(seller: str | None = None) -> Transaction:
    return Trades().transaction(transaction_id_of(RENTAL, seller))


def test_a_rental_is_an_order_from_its_request_to_its_end(orders: RentalOrders, outbox: Outbox) -> None:
    orders.follow(fact("RentalRequested"))
    opened = order()
    assert (opened.status, opened.source, opened.seller_id) == (OrderStatus.PENDING, "rental", "seller:vastai")
    assert opened.amount == 2_985_075  # of 3.00 all-in at most, 0.5 % is the buyer's fee
    orders.follow(fact("RentalReady"))
    assert order().status is OrderStatus.ACTIVE
    orders.follow(fact("RentalEnded"))
    ended, made = order(), trade()
    assert (ended.status, ended.user_id, ended.terms) == (OrderStatus.COMPLETED, USER, opened.terms)
    assert (made.status, made.source, made.seller_id) == (TransactionStatus.COMPLETED, "rental", "seller:vastai")
    assert made.buyer_pays == 1_000_000  # exactly what the rental cost
    assert made.buyer_pays == made.seller_gets + made.fees.total
    assert ended.traded == ended.amount == made.amount == 995_025
    told = [one["data"]["status"] for one in outbox() if one["type"] == "TransactionUpdated"]
    assert told == ["completed"]


@pytest.mark.parametrize("payer", [None, "org_01KSCN0000000000000000000A"])
def test_the_order_is_of_who_pays(orders: RentalOrders, payer: str | None) -> None:
    """An organisation where it pays, so that a refund is its own; the renter for facts that name no account."""
    for kind in ("RentalRequested", "RentalReady", "RentalEnded"):
        orders.follow(fact(kind, account_id=payer))
    assert (order().user_id, trade().user_id) == (payer or USER,) * 2


@pytest.mark.parametrize("kinds", list(itertools.permutations(["RentalRequested", "RentalReady", "RentalEnded"])))
def test_the_facts_may_come_in_any_order_and_twice(
    orders: RentalOrders, outbox: Outbox, kinds: tuple[str, ...]
) -> None:
    for kind in kinds:
        for _ in range(2):
            orders.follow(fact(kind))
    assert (order().status, order().amount) == (OrderStatus.COMPLETED, 995_025)
    assert trade().buyer_pays == 1_000_000
    told = [one["data"] for one in outbox()]
    assert [one["status"] for one in told if "transaction_id" in one] == ["completed"]
    states = [one["status"] for one in told if "transaction_id" not in one]
    assert len(states) == len(set(states))


@pytest.mark.parametrize("kinds", [("RentalRequested", "RentalFailed"), ("RentalFailed", "RentalRequested")])
def test_a_rental_that_failed_is_a_failed_order_without_a_transaction(
    orders: RentalOrders, outbox: Outbox, kinds: tuple[str, ...]
) -> None:
    for kind in kinds:
        orders.follow(fact(kind))
    assert order().status is OrderStatus.FAILED
    assert "TransactionUpdated" not in [one["type"] for one in outbox()]


def test_what_the_provider_bills_is_an_order_of_nothing(orders: RentalOrders, outbox: Outbox) -> None:
    orders.follow(fact("RentalRequested", billed_by="provider"))
    orders.follow(fact("RentalEnded", billed_by="provider"))
    assert (order().amount, order().billed_by, order().status) == (0, "provider", OrderStatus.COMPLETED)
    assert "TransactionUpdated" not in [one["type"] for one in outbox()]


def test_what_cost_nothing_leaves_nothing_to_settle(orders: RentalOrders, outbox: Outbox) -> None:
    line = {**fact("RentalEnded")["detail"]["data"]["lines"][0], "cost": 0.0, "cost_micros": 0}
    orders.follow(fact("RentalEnded", lines=[line], final_cost=0.0, final_cost_micros=0))
    assert (order().amount, order().status) == (0, OrderStatus.COMPLETED)
    assert "TransactionUpdated" not in [one["type"] for one in outbox()]


def test_where_members_ran_at_two_providers_each_is_paid(orders: RentalOrders) -> None:
    orders.follow(fact("RentalRequested"))
    line = fact("RentalEnded")["detail"]["data"]["lines"][0]
    lines = [line, {**line, "member_id": "m2", "provider": "runpod", "cost": 2.0, "cost_micros": 2_000_003}]
    orders.follow(fact("RentalEnded", lines=lines, final_cost=3.000003, final_cost_micros=3_000_003))
    one, other = trade(), trade("seller:runpod")
    assert (one.seller_id, other.seller_id) == ("seller:vastai", "seller:runpod")
    assert (one.buyer_pays, other.buyer_pays) == (1_000_000, 2_000_003)
    assert order().traded == order().amount == one.amount + other.amount


def test_where_all_of_them_were_replaced_elsewhere_that_one_is_paid(orders: RentalOrders) -> None:
    orders.follow(fact("RentalRequested"))
    line = {**fact("RentalEnded")["detail"]["data"]["lines"][0], "provider": "runpod"}
    orders.follow(fact("RentalEnded", lines=[line]))
    assert (trade().seller_id, trade().buyer_pays) == ("seller:runpod", 1_000_000)


def test_lines_that_do_not_add_up_make_no_transaction(orders: RentalOrders) -> None:
    with pytest.raises(ValueError, match="add up"):
        orders.follow(fact("RentalEnded", final_cost_micros=999_999))
    assert Trades().order_of(USER, RENTAL) is None


def test_one_bad_fact_of_a_batch_costs_no_other(table: Any) -> None:
    from gpubroker.composition import management as composition
    from management import follow_rentals

    composition.rental_orders.cache_clear()
    bad = fact("RentalEnded", final_cost_micros=999_999)
    told = [{"messageId": name, "body": json.dumps(one)} for name, one in (("1", bad), ("2", fact("RentalRequested")))]
    answer = follow_rentals.handler({"Records": told}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert order().status is OrderStatus.PENDING
    composition.rental_orders.cache_clear()


def test_facts_of_compliance_are_recorded_once(table: Any) -> None:
    from gpubroker.composition import management as composition
    from gpubroker.management.audit.log import AuditLog, Wanted
    from management import record_facts

    composition.audit_desk.cache_clear()
    told = json.loads((ROOT / "events" / "management" / "FeesChanged.v1.json").read_text())
    other = json.loads((ROOT / "events" / "identity" / "UserStatusChanged.v1.json").read_text())
    records = [{"messageId": str(n), "body": json.dumps(one)} for n, one in enumerate((told, other, told))]
    for _ in range(2):
        assert record_facts.handler({"Records": records}, None) == {"batchItemFailures": []}
    found, _ = AuditLog().page(Wanted(), 10, before=None)
    assert sorted(one.entry.type for one in found) == ["FeesChanged", "UserStatusChanged"]
    by_type = {one.entry.type: one.entry for one in found}
    assert by_type["FeesChanged"].actor == "gpubroker.management"
    assert by_type["UserStatusChanged"].subjects[0].startswith("usr_")
    assert "traceparent" not in by_type["FeesChanged"].data
    composition.audit_desk.cache_clear()
