"""Each call to AWS or to the card processor in turn fails before it, after it took effect, or kills who made it.

After the retries that the workflow and the queue would do, and the sweeps: one invoice, one number, its money moved
once, the card charged once, each fact told once, and the books balance.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from gpubroker.billing.invoices.invoice import State
from gpubroker.billing.invoices.store import Where
from gpubroker.billing.payments.method import method_id_of
from gpubroker.billing.payments.payment import Payment, Seen
from gpubroker.billing.payments.payment import State as PaymentState
from gpubroker.billing.payments.ports import ProcessorUnavailable
from gpubroker.storage import table as storage_table
from tests.integration.billing.invoicing import OCTOBER, FakeProcessor, World

REGION = "us-east-1"
OCT_10 = datetime(2026, 10, 10, 12, tzinfo=UTC)
READS = {"GetItem", "Query", "BatchGetItem"}
MODES = ("before", "after", "killed")
_number = count(1)


class Killed(BaseException):
    """A function that ran out of time: no `except Exception` sees it."""


class Faults:
    """Counts calls while armed; the one of that number fails in that way, once."""

    def __init__(self, number: int | None = None, mode: str = "before") -> None:
        self.number, self.mode, self.armed = number, mode, False
        self.calls: list[str] = []
        self.struck: str | None = None

    def around(self, name: str, call: Callable[[], Any], *, before: Exception, after: Exception) -> Any:
        if not self.armed:
            return call()
        place = len(self.calls)
        self.calls.append(name)
        if place != self.number:
            return call()
        self.struck = name
        if self.mode == "before":
            raise before
        answer = call()
        if self.mode == "after":
            raise after
        del answer
        raise Killed


class FaultyProcessor(FakeProcessor):
    faults: Faults

    def create_payment(self, payment: Payment) -> Seen:
        away = ProcessorUnavailable()
        return self.faults.around(
            "processor.create", lambda: super(FaultyProcessor, self).create_payment(payment), before=away, after=away
        )

    def get(self, payment_id: str) -> Seen | None:
        away = ProcessorUnavailable()
        return self.faults.around(
            "processor.get", lambda: super(FaultyProcessor, self).get(payment_id), before=away, after=away
        )


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "POWERTOOLS_SERVICE_NAME": "billing",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            "EDGE_SECRET": "a-secret-of-the-tests",
            "BILLING_TABLE": "billing",
            "LEDGER_TABLE": "ledger",
        }.items():
            monkeypatch.setenv(name, value)
        storage_table._shared.cache_clear()
        yield
        storage_table._shared.cache_clear()


@pytest.fixture(autouse=True)
def tables(account: None) -> Iterator[None]:
    """Fresh for each test: moto looks through all that a table holds."""
    client = boto3.client("dynamodb", region_name=REGION)
    keys = ("pk", "sk", "gsi1pk", "gsi1sk")
    for table in ("billing", "ledger"):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "gsi1",
                    "KeySchema": [
                        {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                        {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
    yield
    for table in ("billing", "ledger"):
        client.delete_table(TableName=table)


@contextmanager
def installed(faults: Faults) -> Iterator[None]:
    real = botocore.client.BaseClient._make_api_call

    def asked(self: Any, operation: str, given: dict[str, Any]) -> Any:
        if faults.mode != "before" and operation in READS:  # what has no effect fails in one way only
            return real(self, operation, given)
        return faults.around(
            operation,
            lambda: real(self, operation, given),
            before=EndpointConnectionError(endpoint_url="https://dynamodb"),
            after=ReadTimeoutError(endpoint_url="https://dynamodb"),
        )

    with patch.object(botocore.client.BaseClient, "_make_api_call", asked):
        yield


def insisting(step: Callable[[], Any], *, tries: int = 4) -> Any:
    """A step with the retries of the workflow or the queue."""
    for attempt in range(tries):
        try:
            return step()
        except (Exception, Killed):
            if attempt + 1 == tries:
                raise
    return None


def an_invoice(world: World) -> None:
    draft = insisting(lambda: world.drafting.draft(world.account_id, OCTOBER))
    assert draft is not None
    where = Where(draft.account_id, draft.period, draft.invoice_id)
    insisting(lambda: world.settling.issue(where))
    insisting(lambda: world.settling.collect(where))


def a_deposit(world: World) -> None:
    method_id = method_id_of(world.account_id, "tok_visa")
    wanted = {"account_id": world.account_id, "amount_micros": 5_000_000, "payment_method_id": method_id}
    insisting(lambda: world.cashier.take_deposit(wanted | {"deposit_id": "dep_1"}))


def a_webhook(world: World) -> None:
    """The deposit is made in peace; what its end does is not."""
    assert isinstance(world.processor, FaultyProcessor)
    faults = world.processor.faults
    world.processor.outcome, faults.armed = PaymentState.PROCESSING, False
    a_deposit(world)
    faults.armed = True
    [told] = world.processor.made.values()
    end = Seen(told.payment_id, PaymentState.SUCCEEDED, told.amount, "USD", told.processor_reference)
    world.processor.made[told.payment_id] = end
    for _ in range(2):
        insisting(lambda: world.cashier.hear(end))


def rentals(world: World) -> None:
    insisting(lambda: world.rental_ended("ren_9", 700_000, "2026-10-21T10:00:00.000Z"))
    insisting(lambda: world.rental_finalised("ren_9", 300_000, "2026-10-22T10:00:00.000Z"))
    insisting(lambda: world.rental_ended("ren_9", 700_000, "2026-10-21T10:00:00.000Z"))


SCENARIOS: dict[str, Callable[[World], None]] = {
    "invoice": an_invoice,
    "deposit": a_deposit,
    "webhook": a_webhook,
    "rentals": rentals,
}


def play(name: str, faults: Faults) -> World:
    world = World(f"usr_{next(_number)}")
    processor = FaultyProcessor()
    processor.faults = faults
    world.processor = processor
    world.cashier._processor = processor
    world.deposit(505_000, f"txn_{world.account_id}")
    world.add_card()
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    world.use(OCT_10, gpu_seconds=3600)
    with installed(faults):
        faults.armed = True
        SCENARIOS[name](world)
        faults.armed = False
        for _ in range(4):
            world.advance(minutes=15)
            world.cashier.sweep()
            world.settling.sweep()
    return world


def facts() -> list[str]:
    items = boto3.resource("dynamodb", region_name=REGION).Table("billing").scan()["Items"]
    return sorted(json.loads(item["event"])["type"] for item in items if "event" in item)


def check_invoice(world: World, told: str) -> None:
    [invoice] = world.invoices.newest_of(world.account_id, 5, None)
    assert (invoice.state, invoice.number) == (State.PAID, "2026-000001"), told
    assert (invoice.due, invoice.by_balance, invoice.by_card) == (1_200_000, 500_000, 700_000), told
    assert len(list(world.invoices.lines(invoice))) == invoice.lines == 2, told
    assert world.balance("house:usage") == 1_200_000, told
    assert world.balance() == 5_000, told
    assert [seen.amount for seen in world.processor.made.values()] == [700_000], told
    assert facts() == ["InvoiceIssued", "InvoicePaid", "PaymentSucceeded"], told
    world.advance(days=31)
    world.use(OCT_10, gpu_seconds=1800)
    assert world.run(OCTOBER.next).number == "2026-000002", told
    world.books_balance()


def check_payment(world: World, told: str) -> None:
    [payment] = world.payments.page(world.account_id, 5, None)
    assert payment.state is PaymentState.SUCCEEDED, told
    assert len(world.processor.made) == 1, told
    assert [kind for kind in facts() if kind != "PaymentStarted"] == ["PaymentSucceeded"], told


def check_rentals(world: World, told: str) -> None:
    entries = [(one.rental_id, one.amount) for one in world.months.charges(world.account_id, OCTOBER)]
    assert entries == [("ren_1", 1_000_000), ("ren_9", 700_000), ("ren_9", -400_000)], told


CHECKS = {"invoice": check_invoice, "deposit": check_payment, "webhook": check_payment, "rentals": check_rentals}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_call_fails_everything_happens_once(scenario: str, mode: str, tables: None) -> None:
    faults = Faults(mode=mode)
    CHECKS[scenario](play(scenario, faults), scenario)
    calls = list(faults.calls)
    assert calls, "nothing was called: the recording is broken"
    for number, name in enumerate(calls):
        _empty()
        faults = Faults(number, mode)
        world = play(scenario, faults)
        assert faults.struck is not None, f"{number} of {len(calls)}"
        CHECKS[scenario](world, f"{scenario}: {mode} {number} {name}")


def _empty() -> None:
    for name in ("billing", "ledger"):
        table = boto3.resource("dynamodb", region_name=REGION).Table(name)
        items = table.scan(ProjectionExpression="pk, sk")["Items"]
        with table.batch_writer() as batch:
            for item in items:
                batch.delete_item(Key=item)
