"""Billing's functions behind the API, each at its work with no more than its template gives it (418, 445)."""

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient

from gpubroker.billing.payments.store import Methods
from gpubroker.kernel.ids import new_id
from gpubroker.usage.event import METRICS, Usage
from gpubroker.usage.stream import packed
from infra.rules.templates import ROOT, functions
from tests.contract.billing.things import billed
from tests.contract.callers import Callers
from tests.contract.house import Context, House, forget
from tests.contract.simulation import reachable
from tests.contract.test_each_function import ALWAYS, _value, allowed, calls_of

TEMPLATE = functions(ROOT / "infra" / "billing.yaml")


@pytest.fixture
def providers() -> Iterator[None]:
    with reachable():
        yield


@contextmanager
def as_deployed(properties: dict[str, Any]) -> Iterator[set[tuple[str, str]]]:
    variables = properties.get("Environment", {}).get("Variables", {})
    made: set[tuple[str, str]] = set()
    real = BaseClient._make_api_call

    def recorded(self: Any, operation: str, given: dict[str, Any]) -> Any:
        made.update(calls_of(self.meta.service_model.service_name, operation, given))
        return real(self, operation, given)

    with pytest.MonkeyPatch.context() as patch:
        shared = {"BILLING_TABLE", "EDGE_SECRET", "ENVIRONMENT", "POWERTOOLS_SERVICE_NAME", "PYDANTIC_DISABLE_PLUGINS"}
        for name in list(os.environ):
            if name not in {*variables, *shared} and not ALWAYS.match(name):
                patch.delenv(name)
        for name, value in variables.items():
            if name not in os.environ:
                patch.setenv(name, _value(value))
        patch.setattr(BaseClient, "_make_api_call", recorded)
        forget()
        yield made
    forget()


def does(name: str, event: dict[str, Any]) -> Any:
    """What a function of the template answers; every call that it makes is in its policies."""
    properties = TEMPLATE[f"{name}Function"]
    module, _, attribute = properties["Handler"].rpartition(".")
    handler = getattr(importlib.import_module(module), attribute)
    with as_deployed(properties) as made:
        answer = handler(event, Context())
    beyond = made - allowed(properties)
    assert not beyond, f"{name}: {sorted(beyond)} is not in its policies"
    assert not (isinstance(answer, dict) and answer.get("batchItemFailures")), f"{name} failed"
    return answer


def from_queue(kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    told = {"detail-type": kind, "detail": detail | {"event_id": new_id("evt"), "traceparent": None}}
    return {"Records": [{"messageId": "1", "body": json.dumps(told), "eventSource": "aws:sqs"}]}


def test_each_step_works_with_its_own_permissions(house: House, callers: Callers, providers: None) -> None:
    import base64

    user, poor = callers["free"].tenant, new_id("usr")
    # An account without money: an open invoice, a card that the processor does not know, and a payment not asked for.
    method = billed(poor)
    Methods().save(Methods().of(poor, method.payment_method_id), default=True)

    line = {"member_id": "m1", "provider": "vastai", "gpu_model": "H100", "gpu_count": 1, "seconds": 60}
    data = {
        "lines": [line | {"cost_micros": 1000}],
        "final_cost_micros": 1000,
        "billed_by": "gpubroker",
        "account_id": user,
        "ended_at": "2026-03-10T12:00:00.000Z",
    }
    rental = {"rental_id": new_id("ren"), "user_id": user, "timestamp": "2026-03-10T12:00:00.000Z"}
    does("RecordRentals", from_queue("RentalEnded", rental | {"data": data}))
    confirmed = rental | {"data": {"final_cost_micros": 500}}
    does("RecordRentals", from_queue("RentalFinalised", confirmed))

    event = Usage("i-1", user, None, 1_773_144_000_000, 30_000, 0, None, (1_000_000,) * len(METRICS))
    [(_, record)] = packed([event], 1_773_144_000_000)
    kinesis = {"data": base64.b64encode(record).decode(), "sequenceNumber": "1", "partitionKey": "u", "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1.0}  # fmt: skip  # noqa: E501
    does("NoteUsageMonths", {"Records": [{"kinesis": kinesis, "eventID": "1", "eventSource": "aws:kinesis"}]})

    page = does("PlanInvoices", {"period": "2026-03"})
    assert {"account_id": user, "period": "2026-03"} in page["work"]
    drafted = does("DraftInvoice", {"account_id": user, "period": "2026-03"})
    assert drafted["invoice_id"]
    assert does("IssueInvoice", drafted)["state"] == "issued"
    assert does("CollectInvoice", drafted)["state"] == "paid"
    unpaid = {"account_id": poor, "period": "2026-10", "invoice_id": method.invoice_id}
    assert does("CollectInvoice", unpaid)["state"] == "open"
    does("SweepInvoices", {})

    deposit = {"deposit_id": new_id("dep"), "account_id": poor, "amount_micros": 5_000_000}
    does("TakeDeposits", from_queue("DepositRequested", deposit | {"payment_method_id": None}))
    deposit = deposit | {"deposit_id": new_id("dep"), "payment_method_id": method.payment_method_id}
    does("TakeDeposits", from_queue("DepositRequested", deposit))
    assert does("SweepPayments", {})
